//! The limiter in front of the parser.
