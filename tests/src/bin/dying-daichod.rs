//! `daichod` that dies at a durable step: for `torture`.

fn main() -> std::process::ExitCode {
    daicho_tests::die_at_step();
    daichod::main()
}
