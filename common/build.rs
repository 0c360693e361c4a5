//! Generates the gRPC code from `proto/` without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let contract = ["parameter_server", "replay"];
    let protos = contract.map(|name| format!("../proto/troop/v1/{name}.proto"));
    for proto in &protos {
        println!("cargo:rerun-if-changed={proto}");
    }
    let descriptors = protox::compile(&protos, ["../proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        // Few messages have them: those that do not should stay small.
        .boxed(".troop.v1.Report.observations")
        .boxed(".troop.v1.WeightsChunk.observations")
        .compile_fds(descriptors)?;
    Ok(())
}
