//! What tests share.
#![allow(dead_code, reason = "each test uses its part of the kit")]

pub mod bucket;
pub mod bucket_destination;
pub mod cases;
pub mod command;
pub mod connect;
pub mod connect_proxy;
pub mod damage;
pub mod hand_clock;
pub mod http_script;
pub mod json;
pub mod manifest;
pub mod measure;
pub mod memory_store;
pub mod minio;
pub mod planned;
pub mod reader;
pub mod s3_server;
pub mod sample;
pub mod say;
pub mod skip;
pub mod small_store;
pub mod tls_minio;
pub mod trees;
