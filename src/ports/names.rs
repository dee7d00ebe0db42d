//! Names of accounts, owned by whoever runs the program.

/// From numbers to names; the empty name when there is none.
pub trait Names: Send + Sync {
    /// Of a user.
    fn user(&self, uid: u64) -> &[u8];

    /// Of a group.
    fn group(&self, gid: u64) -> &[u8];
}
