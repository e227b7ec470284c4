// Asks Perfetto's trace processor, compiled to WebAssembly: "node perfetto.cjs FOLDER TRACE SQL ..." prints the rows of each query
// as JSON. FOLDER holds engine_bundle.js and trace_processor.wasm, as the page of Perfetto has them. The messages are those of
// protos/perfetto/trace_processor/trace_processor.proto.
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const vm = require("node:vm");

const [folder, trace, ...queries] = process.argv.slice(2);
const APPEND = 1, FINALIZE = 2, QUERY = 3; // methods
const NULL = 1, WHOLE = 2, FLOAT = 3, TEXT = 4; // kinds of cells

// --- protocol buffers

function varint(value) {
  return value < 128 ? Buffer.from([value]) : Buffer.concat([Buffer.from([(value % 128) + 128]), varint(Math.floor(value / 128))]);
}
const whole = (id, value) => Buffer.concat([varint(id * 8), varint(value)]);
const content = (id, value) => Buffer.concat([varint(id * 8 + 2), varint(value.length), value]);

class Reader {
  constructor(buffer) { this.buffer = buffer; this.at = 0; }
  get isDone() { return this.at >= this.buffer.length; }
  varint() {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.buffer[this.at++];
      value |= BigInt(byte % 128) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
  }
  bytes(count) { return this.buffer.subarray(this.at, (this.at += count)); }
}

function* fields(buffer) {
  const reader = new Reader(buffer);
  const kinds = { 0: () => reader.varint(), 1: () => reader.bytes(8), 2: () => reader.bytes(reader.varint()) };
  while (!reader.isDone) {
    const key = reader.varint();
    yield [Math.floor(key / 8), kinds[key % 8]()];
  }
}

function packed(buffer) {
  const reader = new Reader(buffer), found = [];
  while (!reader.isDone) found.push(reader.varint());
  return found;
}

// --- answers

const refuse = (text) => { if (text.length) throw new Error(String(text)); };
let names = [], rows = [], isAnswered = false;

function onReply(message) {
  for (const [, answer] of fields(Buffer.from(message)))
    for (const [id, value] of fields(answer)) {
      if (id === 5) refuse(value);
      if (id === 201) for (const [inner, text] of fields(value)) if (inner === 2) refuse(text);
      if (id === 203) onRows(value);
    }
}

function onRows(result) {
  for (const [id, value] of fields(result)) {
    if (id === 1) names.push(String(value));
    if (id === 2) refuse(value);
    if (id === 3) onBatch(value);
  }
}

function onBatch(batch) {
  const read = { [NULL]: () => null };
  let cells = [];
  for (const [id, value] of fields(batch)) {
    const values = { 2: () => packed(value), 3: () => doubles(value), 5: () => String(value).split("\0") }[id]?.();
    if (id === 1) cells = packed(value);
    if (values) read[{ 2: WHOLE, 3: FLOAT, 5: TEXT }[id]] = () => values.shift();
    if (id === 6) isAnswered = true;
  }
  const row = [];
  for (const kind of cells) {
    row.push([names[row.length], read[kind]()]);
    if (row.length === names.length) rows.push(Object.fromEntries(row.splice(0)));
  }
}

const doubles = (buffer) => Array.from({ length: buffer.length / 8 }, (_, at) => buffer.readDoubleLE(8 * at));

// --- the engine, which expects to be a worker of a browser

class Request {
  open(_, name) { this.name = name.split("/").pop(); }
  send() { this.response = new Uint8Array(readFileSync(join(folder, this.name))).buffer; }
}

const worker = {
  console, TextDecoder, TextEncoder, performance, crypto, URL, setTimeout, clearTimeout, XMLHttpRequest: Request,
  WorkerGlobalScope: class {}, importScripts() {}, location: { href: "file:///engine_bundle.js" },
};
worker.self = worker;
vm.createContext(worker);
vm.runInContext(readFileSync(join(folder, "engine_bundle.js"), "utf8"), worker);
const Bytes = vm.runInContext("Uint8Array", worker); // the engine takes those of its own world alone
const port = { postMessage: onReply };

function send(method, ...parts) {
  port.onmessage({ data: Bytes.from(content(1, Buffer.concat([whole(1, send.count++), whole(2, method), ...parts]))) });
}
send.count = 0;

function answer(sql) {
  names = []; rows = []; isAnswered = false;
  send(QUERY, content(103, content(1, Buffer.from(sql))));
  if (!isAnswered) throw new Error(`no answer to ${sql}`);
  return rows;
}

worker.onmessage({ data: port });
setTimeout(() => { // once the engine has begun
  send(APPEND, content(101, readFileSync(trace)));
  send(FINALIZE);
  console.log(JSON.stringify(queries.map(answer)));
}, 0);
