//! Compiles the schema with protox, so that no protoc is needed.

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["statement", "ledger", "custody", "report"].map(|name| format!("daicho/v1/{name}.proto"));
    for file in &files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, ["."])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    // Served by gRPC reflection.
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let grpc = std::env::var_os("CARGO_FEATURE_GRPC").is_some();
    tonic_prost_build::configure()
        .build_client(grpc)
        .build_server(grpc)
        // Entry bytes travel without a copy.
        .bytes(".daicho.v1.ReadEntriesResponse.entries")
        .bytes(".daicho.v1.FollowEntriesResponse.entries")
        .bytes(".daicho.v1.SignedStatement.statement")
        .compile_fds(descriptors)?;
    Ok(())
}
