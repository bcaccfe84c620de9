"""Stock Git: its commands, its formats, and the user's own repository, which this room never writes unasked."""
