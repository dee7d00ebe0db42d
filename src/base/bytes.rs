//! Reading fixed-width fields from untrusted bytes, and writing them.
