"""Jobs run chunk by chunk, on threads or a cluster, into a folder that may be interrupted."""
