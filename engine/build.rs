//! Compiles the gRPC services in `proto/` with protox, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["proto/instance.proto", "proto/engine.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["proto"])?;
    // Written by hand in `grpc/credentials.rs`: what is derived would print secrets.
    let secrets = [".aurochs.engine.v1.BackupCredentials", ".aurochs.instance.v1.ImageTarget"];
    tonic_prost_build::configure().skip_debug(secrets).compile_fds(descriptors)?;
    Ok(())
}
