//! What a round trip, a session, a handshake cost beside the least that they can cost and beside other generators. benches/README.md
//! says what each row asks and how to read it.
//!
//!     cargo bench --bench speed -- [ROW]... [--rounds N] [--raw FILE] [--test]

#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod children;
#[cfg(target_os = "linux")]
mod costs;
#[cfg(target_os = "linux")]
mod handshakes;
#[cfg(target_os = "linux")]
mod null_sink;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
mod sessions;
#[cfg(target_os = "linux")]
#[path = "../../tests/peers/strace.rs"]
mod strace;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod versus;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        b"this bench goes by what Linux says of processes; it is skipped here\n",
    );
}
