//! Compiles the `.proto` files without `protoc`, and generates the service twice: once with typed answers, and once
//! for servers whose answers are encoded already.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;
use tonic_build::manual;

const FILES: [&str; 2] = ["ixn/v1/protocol.proto", "ixn/v1/inspection.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=ixn");
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(FILES, ["."])?;
    // With compile_fds nothing else writes the descriptor set.
    fs::write(out_dir.join("ixn.v1.descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        // The client's own `connect(address)` would clash with the method of that name; use `new(channel)`.
        .build_transport(false)
        .extern_path(".ixn.v1.KeyValueList", "crate::key_value_list::KeyValueList")
        // Reached through the list alone; naming it here keeps an unused type from being generated.
        .extern_path(".ixn.v1.KeyValue", "crate::key_value_list::Entry")
        .compile_fds(descriptors)?;
    encoded_service(&out_dir)
}

/// The server of `Connect` again, with bytes instead of `ServerMessage`.
fn encoded_service(out_dir: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let connect = manual::Method::builder()
        .name("connect")
        .route_name("Connect")
        .comment("One connection of one client program; each answer is an encoded `ServerMessage`.")
        .input_type("crate::v1::ClientMessage")
        .output_type("crate::encoded::EncodedServerMessage")
        .codec_path("crate::encoded::EncodedCodec")
        .client_streaming()
        .server_streaming()
        .build();
    let service = manual::Service::builder()
        .name("InteractionServer")
        .package("ixn.v1")
        .comment("The Interaction Server protocol, for servers whose answers are encoded already.")
        .method(connect)
        .build();
    let encoded_dir = out_dir.join("encoded");
    fs::create_dir_all(&encoded_dir)?;
    manual::Builder::new().build_client(false).build_server(true).out_dir(encoded_dir).compile(&[service]);
    Ok(())
}
