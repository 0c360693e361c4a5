/// Whole numbers that something could be done wrong with.
pub(crate) const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    255,
    65_536,
    (1 << 28) + 1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 53) + 1,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Real numbers of that kind.
pub(crate) const REALS: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    5e-324,
    1e39,
    1e154,
    1e308,
    -1e308,
    f64::MAX,
    f64::MIN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// How many there are of something: what a window holds and one more, and as many as a message does.
pub(crate) const COUNTS: [usize; 14] = [
    0, 1, 2, 8, 9, 16, 17, 101, 4_096, 4_097, 32_769, 65_536, 65_537, 200_000,
];

/// Bytes of a tensor.
pub(crate) const LENGTHS: [usize; 8] = [0, 1, 3, 4, 255, 257, 65_536, 2 << 20];

/// Texts that a log, a page or a table could stumble over.
pub(crate) fn texts() -> Vec<String> {
    let long = |letter: &str, bytes: usize| letter.repeat(bytes / letter.len());
    vec![
        String::new(),
        "a".into(),
        "0".into(),
        long("a", 64),
        long("a", 65),
        long("\u{10ffff}", 256),
        long("b", 257),
        "a\nINFO forged line\r\n\u{1b}[31mred\u{7}\0\t".into(),
        "\u{202e}drow \u{2028}\u{feff}".into(),
        "{}\"'\\<script>alert(1)</script>".into(),
        "../../../etc/passwd".into(),
        "a{b=\"c\"} 1\n# TYPE x counter".into(),
        long("x", 1 << 20),
        long("\u{1}", 1 << 20),
    ]
}
