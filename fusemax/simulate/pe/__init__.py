"""The arrays register by register: programs of the processing elements, what feeds them, and the clock that runs them."""
