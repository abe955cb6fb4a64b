//! Every fixture, there and back; the traps; the vendor's rules.
