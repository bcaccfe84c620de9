"""How questions come in: gRPC, HTTP, and the language server protocol."""
