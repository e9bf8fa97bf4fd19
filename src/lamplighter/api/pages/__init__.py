"""The pages that the server itself serves under /docs, printed from the catalogue and the table of operations."""
