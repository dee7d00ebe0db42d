//! Backup, restore, check: Kloset over the ports.
