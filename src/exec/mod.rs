//! Running commands: sessions, terminals, output caps, and what may run without asking.
