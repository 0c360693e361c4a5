//! Takes plotly.js out of the `plotly` crate, which carries it, and compresses it for the dashboard.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use plotly::Plot;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plotly_js(&Plot::offline_js_sources())?.as_bytes())?;
    let directory = env::var("OUT_DIR")?;
    let path = Path::new(&directory).join("plotly.min.js.gz");
    Ok(fs::write(path, encoder.finish()?)?)
}

/// The first script of the crate's HTML; the others render formulas.
fn plotly_js(html: &str) -> Result<&str, String> {
    let (_, inside) = html.split_once('>').unwrap_or_default();
    let (script, _) = inside.split_once("</script>").unwrap_or_default();
    let head = script.get(..200).unwrap_or_default();
    if head.contains("plotly.js v") {
        return Ok(script);
    }
    Err(format!(
        "expected plotly.js as the first script of the plotly crate, found {head:?}"
    ))
}
