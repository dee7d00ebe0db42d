//! Facts of this host that a snapshot's header and a lock record.
