//! Text and tables as values that the templates draw, so that no word of a ledger is ever read as markup.

use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};

/// How a piece of text looks. Never the only sign of what it says: words and symbols say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Look {
    /// Heavy.
    Bold,
    /// Heavy and in the one colour of the page: something is wrong.
    Bad,
    /// Smaller and grey.
    Note,
    /// Grey: a zero, or nothing.
    Faint,
    /// An id or a hash, which may break after its punctuation.
    Code,
    /// Kept on one line.
    Whole,
}

/// Text of several looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Rich(Vec<Run>);

#[derive(Debug, Clone)]
enum Run {
    Plain(String),
    Look(Look, String),
    Line,
}

impl Rich {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// More plain text.
    pub(super) fn plain(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.0.push(Run::Plain(text));
        }
        self
    }

    /// More text of a look.
    pub(super) fn look(mut self, look: Look, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.0.push(Run::Look(look, text));
        }
        self
    }

    /// A new line, unless nothing stands before it.
    pub(super) fn line(mut self) -> Self {
        if !self.0.is_empty() {
            self.0.push(Run::Line);
        }
        self
    }

    /// All of another text after this one.
    pub(super) fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl<T: Into<String>> From<T> for Rich {
    fn from(text: T) -> Self {
        Self::new().plain(text)
    }
}

/// As the templates read it: a text alone, or a list of texts, `[look, text]` and nulls for new lines. A code is
/// `["code", [pieces]]`.
impl Serialize for Rich {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if let [Run::Plain(text)] = self.0.as_slice() {
            return s.serialize_str(text);
        }
        let mut seq = s.serialize_seq(None)?;
        for (i, run) in self.0.iter().enumerate() {
            match run {
                // A new line that nothing follows.
                Run::Line if matches!(self.0.get(i + 1), None | Some(Run::Line)) => {}
                Run::Plain(text) => seq.serialize_element(text)?,
                Run::Look(Look::Code, text) => seq.serialize_element(&(Look::Code, pieces(text)))?,
                Run::Look(look, text) => seq.serialize_element(&(look, text))?,
                Run::Line => seq.serialize_element(&())?,
            }
        }
        seq.end()
    }
}

/// An id cut where it may break; a long hash every eight characters.
fn pieces(code: &str) -> Vec<&str> {
    if code.len() >= 40 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)) {
        return (0..code.len()).step_by(8).map(|at| &code[at..code.len().min(at + 8)]).collect();
    }
    code.split_inclusive(['_', '-', '/', '.', '@', ':']).collect()
}

/// Side to which a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Side {
    /// The left one.
    Left,
    /// The right one: numbers.
    Right,
}

/// A table. Its head is repeated on every page, and so is the head of a group.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Table {
    columns: Vec<(f32, Side)>,
    head: Vec<Rich>,
    rows: Vec<Row>,
    small: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Row {
    kind: RowKind,
    cells: Vec<Rich>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum RowKind {
    Plain,
    Sum,
    Group,
    Wide,
}

impl Table {
    /// A table with columns of relative widths; negative ones hold numbers.
    pub(super) fn new<const N: usize>(columns: [f32; N], head: [&str; N]) -> Self {
        let side = |w: f32| if w < 0.0 { Side::Right } else { Side::Left };
        Self {
            columns: columns.iter().map(|w| (w.abs(), side(*w))).collect(),
            head: head.into_iter().map(Rich::from).collect(),
            rows: Vec::new(),
            small: N > 4,
        }
    }

    /// The same in small type.
    pub(super) fn in_small(self) -> Self {
        Self { small: true, ..self }
    }

    /// A row.
    pub(super) fn row<const N: usize>(&mut self, cells: [Rich; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(Row { kind: RowKind::Plain, cells: cells.into() });
    }

    /// The last row, with the sums.
    pub(super) fn sum<const N: usize>(&mut self, cells: [Rich; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(Row { kind: RowKind::Sum, cells: cells.into() });
    }

    /// The head of the rows that follow.
    pub(super) fn group(&mut self, head: Rich) {
        self.rows.push(Row { kind: RowKind::Group, cells: vec![head] });
    }

    /// A remark over the whole width.
    pub(super) fn wide(&mut self, text: Rich) {
        self.rows.push(Row { kind: RowKind::Wide, cells: vec![text] });
    }
}

/// What a section is made of.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "is", content = "of", rename_all = "kebab-case")]
pub(super) enum Block {
    /// A heading of the second order.
    Heading(String),
    /// A paragraph.
    Text(Rich),
    /// A remark in small type.
    Note(Rich),
    /// A table.
    Table(Table),
    /// A picture: SVG, what it shows for those who cannot see it, and its caption.
    Picture(Picture),
    /// A list of sentences.
    List(Vec<Rich>),
    /// Steps with the lines to type.
    Steps(Vec<(Rich, Vec<String>)>),
    /// Two columns of blocks.
    Pair(Vec<Block>, Vec<Block>),
}

/// A picture.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Picture {
    /// The picture itself.
    pub(super) svg: String,
    /// What it shows, in words.
    pub(super) alt: String,
    /// What stands below it.
    pub(super) caption: String,
    /// Its width, in parts of the text's.
    pub(super) width: f32,
}

/// A section with its heading.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Section {
    /// Its heading, without a number.
    pub(super) title: String,
    /// Whether it begins on a new page.
    pub(super) new_page: bool,
    /// What is in it.
    pub(super) blocks: Vec<Block>,
}

impl Section {
    /// A section that follows the one before.
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), new_page: false, blocks: Vec::new() }
    }

    /// The same with one more block.
    pub(super) fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// The same on a new page.
    pub(super) fn on_new_page(mut self) -> Self {
        self.new_page = true;
        self
    }
}
