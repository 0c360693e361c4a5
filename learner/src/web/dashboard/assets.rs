use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the page.
#[derive(Clone, Copy)]
struct Asset {
    path: &'static str,
    content_type: &'static str,
    gzipped: bool,
    bytes: &'static [u8],
}

macro_rules! page_file {
    ($path:literal, $file:literal, $content_type:expr) => {
        Asset {
            path: $path,
            content_type: $content_type,
            gzipped: false,
            bytes: include_bytes!(concat!("../../../dashboard/", $file)),
        }
    };
}

const ASSETS: [Asset; 11] = [
    page_file!("/", "index.html", HTML),
    page_file!("/assets/icon.svg", "icon.svg", "image/svg+xml"),
    page_file!("/assets/style.css", "style.css", CSS),
    page_file!("/assets/plotly.css", "plotly.css", CSS),
    page_file!("/assets/page.js", "page.js", SCRIPT),
    page_file!("/assets/feed.js", "feed.js", SCRIPT),
    page_file!("/assets/format.js", "format.js", SCRIPT),
    page_file!("/assets/charts.js", "charts.js", SCRIPT),
    page_file!("/assets/series.js", "series.js", SCRIPT),
    page_file!("/assets/tables.js", "tables.js", SCRIPT),
    Asset {
        path: "/assets/plotly.min.js",
        content_type: SCRIPT,
        gzipped: true,
        bytes: include_bytes!(concat!(env!("OUT_DIR"), "/plotly.min.js.gz")),
    },
];

/// The page's files, for everybody.
pub(super) fn router() -> Router {
    ASSETS.into_iter().fold(Router::new(), |router, asset| {
        let tag = format!("\"{:08x}\"", crc32fast::hash(asset.bytes));
        let answer = move |headers: HeaderMap| std::future::ready(asset.answer(&tag, &headers));
        router.route(asset.path, get(answer))
    })
}

impl Asset {
    /// Browsers keep it, and ask each time whether it is still the same.
    fn answer(self, tag: &str, request: &HeaderMap) -> Response {
        let common = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache")];
        let known = request.get(header::IF_NONE_MATCH);
        if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        let mut response = (common, content_type, self.bytes).into_response();
        if self.gzipped {
            let gzip = HeaderValue::from_static("gzip");
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, gzip);
        }
        response
    }
}
