//! Compiles the `.proto` files without `protoc`, and generates the service twice: once with typed answers, and once
//! for servers whose answers are encoded already. The sentences of the error codes are their comments.

use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic_build::manual;

const FILES: [&str; 2] = ["ixn/v1/protocol.proto", "ixn/v1/inspection.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=ixn");
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(FILES, ["."])?;
    fs::write(out_dir.join("error_codes.rs"), error_codes(&descriptors)?)?;
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

/// The table of error codes: of each its name, and the two sentences of its comment. The first says what happened, the
/// second what to do.
fn error_codes(descriptors: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    const FILE: &str = "ixn/v1/error_code.proto";
    const PREFIX: &str = "ERROR_CODE_";
    let file = descriptors.file.iter().find(|file| file.name() == FILE).ok_or("there are no error codes")?;
    let mut rows = String::new();
    for (index, value) in file.enum_type.iter().flat_map(|codes| &codes.value).enumerate() {
        let name = value.name().strip_prefix(PREFIX).ok_or("an error code has another prefix")?;
        let words = name.split('_').filter_map(|word| Some((word.get(..1)?, word.get(1..)?)));
        let variant: String =
            words.flat_map(|(first, rest)| [first.to_owned(), rest.to_lowercase()]).collect();
        // Field 5 of a file is its enums, field 2 of an enum its values.
        let path = [5, 0, 2, i32::try_from(index)?];
        let mut locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let comment = locations.find(|at| at.path == path).map_or("", |at| at.leading_comments().trim());
        let sentences = comment.split_once(". ").filter(|(_, to_do)| to_do.ends_with('.'));
        let (happened, to_do) =
            sentences.ok_or_else(|| format!("{name} needs two sentences as its comment"))?;
        writeln!(rows, "ErrorCode::{variant} => ({name:?}, {:?}, {to_do:?}),", format!("{happened}."))?;
    }
    Ok(format!(
        "const fn row(code: ErrorCode) -> (&'static str, &'static str, &'static str) {{ match code {{ {rows} }} }}"
    ))
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
