//! One test program, one module per promise. What needs a MinIO server is in `minio*`; what needs
//! the reference stores beside the checkout is in `fixtures`.

mod layers;
