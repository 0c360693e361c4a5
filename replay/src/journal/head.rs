/// What a journal's segments are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// What the run is called.
    pub(crate) run: String,
    /// The replay's settings, as [`settings_to_text`](crate::codec::settings_to_text) writes them.
    pub(crate) settings: String,
}

impl Head {
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        to.extend((self.run.len() as u32).to_le_bytes());
        to.extend(self.run.as_bytes());
        to.extend(self.settings.as_bytes());
    }

    /// None if these are not the bytes of one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk()?;
        let (run, settings) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self {
            run: text(run)?,
            settings: text(settings)?,
        })
    }
}
