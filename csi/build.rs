//! Compiles `proto/csi.proto` with protox, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/csi.proto");
    let descriptors = protox::compile(["proto/csi.proto"], ["proto"])?;
    // What carries secrets can't be printed, so that no log ever has them.
    let messages =
        descriptors.file.iter().filter(|file| file.package() == "csi.v1").flat_map(|file| &file.message_type);
    let secret = messages.filter(|message| message.field.iter().any(|field| field.name() == "secrets"));
    let secret: Vec<String> = secret.map(|message| format!(".csi.v1.{}", message.name())).collect();
    tonic_prost_build::configure().skip_debug(secret).compile_fds(descriptors)?;
    Ok(())
}
