"""The endpoints: gRPC, HTTP, and the language server protocol."""
