//! From the schema to a plan that cannot be wrong.
