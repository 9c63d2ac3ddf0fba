//! The JSON Schema of the inventory.
