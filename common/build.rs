//! Generates the gRPC code from `proto/` without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = "../proto/troop/v1/parameter_server.proto";
    println!("cargo:rerun-if-changed={proto}");
    let descriptors = protox::compile([proto], ["../proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
