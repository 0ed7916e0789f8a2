//! The picture of the data flow: parties as lanes, systems with what is open inside, one row for each flow.
//!
//! A row belongs to one flow alone, so that labels never run into each other however large the scheme is.

use std::collections::HashMap;
use std::fmt::Write as _;

use daicho_custody::Verdict;
use daicho_custody::report::{FlowReport, Place};
use daicho_custody::scheme::Effect;

use crate::svg::{escape, fit, width};
use crate::words::{Words, count, symbol};

const WIDTH: f64 = 720.0;
const ROW: f64 = 38.0;
/// Height that fits on a page of A4 with its heading.
const PAGE: f64 = 900.0;
const NAME: f64 = 10.5;
const SMALL: f64 = 9.5;

/// A figure for each page.
pub(crate) fn figures(w: &Words<'_>) -> Vec<String> {
    let lanes = Lanes::new(w);
    if lanes.list.is_empty() {
        return Vec::new();
    }
    let mut figures = Vec::new();
    let mut flows = w.report.flows.as_slice();
    loop {
        let first = figures.is_empty();
        let mut svg = Svg::new(w, &lanes);
        let head = svg.heads(first);
        let room = (((PAGE - head) / ROW).floor().max(4.0)) as usize;
        let (now, later) = flows.split_at(room.min(flows.len()));
        figures.push(svg.rows(now, head, w.report.flows.len() - flows.len()));
        flows = later;
        if flows.is_empty() {
            return figures;
        }
    }
}

struct Lane<'r> {
    party: &'r str,
    systems: Vec<&'r str>,
    x: f64,
    width: f64,
}

impl Lane<'_> {
    fn centre(&self) -> f64 {
        self.x + self.width / 2.0
    }
}

struct Lanes<'r> {
    list: Vec<Lane<'r>>,
    at: HashMap<&'r str, usize>,
}

impl<'r> Lanes<'r> {
    /// A lane for each party that a flow or a copy touches, wider where it has more systems.
    fn new(w: &Words<'r>) -> Self {
        let mut list: Vec<Lane<'r>> = Vec::new();
        for party in &w.report.parties {
            let ends = w.report.flows.iter().flat_map(|f| [&f.from, &f.to]);
            let ends = ends.filter(|end| end.party == party.id);
            let held = w.report.places.iter().filter(|p| p.holder == party.id);
            let mut touched = false;
            let mut systems: Vec<&str> = Vec::new();
            for system in ends.map(|end| end.system.as_str()).chain(held.map(|p| p.system.as_str())) {
                touched = true;
                if !system.is_empty() && !systems.contains(&system) {
                    systems.push(system);
                }
            }
            if touched {
                list.push(Lane { party: &party.id, systems, x: 0.0, width: 0.0 });
            }
        }
        let weight = |lane: &Lane<'_>| 1.0 + 0.22 * (lane.systems.len().clamp(1, 7) - 1) as f64;
        let all: f64 = list.iter().map(weight).sum();
        let mut x = 0.0;
        for lane in &mut list {
            lane.x = x;
            lane.width = WIDTH * weight(lane) / all;
            x += lane.width;
        }
        let at = list.iter().enumerate().map(|(i, lane)| (lane.party, i)).collect();
        Self { list, at }
    }
}

struct Svg<'s, 'r> {
    w: &'s Words<'r>,
    lanes: &'s Lanes<'r>,
    body: String,
}

impl<'s, 'r> Svg<'s, 'r> {
    fn new(w: &'s Words<'r>, lanes: &'s Lanes<'r>) -> Self {
        Self { w, lanes, body: String::new() }
    }

    /// Draws the parties, with their systems when `whole`. Returns the height used.
    fn heads(&mut self, whole: bool) -> f64 {
        let mut lowest: f64 = 0.0;
        let lanes = self.lanes;
        let names: Vec<Vec<String>> = lanes
            .list
            .iter()
            .map(|lane| wrap(short_name(self.w.party(lane.party)), lane.width - 8.0, NAME, 5))
            .collect();
        let tallest = names.iter().map(Vec::len).max().unwrap_or(1) as f64;
        let name_height = tallest * (NAME + 2.5) + 8.0;
        for (lane, lines) in lanes.list.iter().zip(&names) {
            let top = 6.0 + (name_height - 8.0 - lines.len() as f64 * (NAME + 2.5)) / 2.0;
            for (i, line) in lines.iter().enumerate() {
                let y = top + NAME + i as f64 * (NAME + 2.5);
                self.text(lane.centre(), y, NAME, "middle", "n", line);
            }
            let mut y = name_height + 4.0;
            if whole {
                for system in &lane.systems {
                    y += self.system(lane, system, y) + 4.0;
                }
            }
            lowest = lowest.max(y);
        }
        lowest + 6.0
    }

    /// Draws one system with what is open there. Returns its height.
    fn system(&mut self, lane: &Lane<'_>, system: &str, y: f64) -> f64 {
        let (x, width) = (lane.x + 3.0, lane.width - 6.0);
        let lines = wrap(short_name(self.w.system(system)), width - 6.0, SMALL, 3);
        let places = self.w.report.places.iter();
        let place = places.into_iter().find(|p| p.holder == lane.party && p.system == system);
        let (class, states) = self.state(place);
        let states: Vec<String> = states.iter().flat_map(|s| break_at_marks(s, width - 6.0, SMALL)).collect();
        let step = SMALL + 2.0;
        let height = (lines.len() + states.len()) as f64 * step + 7.0;
        let _ = write!(
            self.body,
            r#"<rect class="sys {class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="2"/>"#
        );
        for (i, line) in lines.iter().chain(&states).enumerate() {
            let weight = if i < lines.len() { "t" } else { class };
            self.text(lane.centre(), y + 1.0 + (i + 1) as f64 * step, SMALL, "middle", weight, line);
        }
        height
    }

    fn state(&self, place: Option<&Place>) -> (&'static str, Vec<String>) {
        let w = self.w;
        let Some(place) = place else { return ("none", vec![w.say("記録なし", "no record").to_owned()]) };
        if place.open == 0 {
            let n = count(place.copies);
            return ("clear", vec![w.say(format!("✓ 保有0/{n}"), format!("✓ 0 of {n} kept"))]);
        }
        let has = |verdict: Verdict| place.open_verdicts.get(&verdict).copied().unwrap_or_default();
        let (open, all) = (count(place.open), count(place.copies));
        let mut lines = vec![w.say(format!("保有{open}/{all}"), format!("{open} of {all} kept"))];
        let mut class = "open";
        let marked = [
            (Verdict::NoSchedule, "gap", ("定め\u{200b}なし", "no \u{200b}schedule")),
            (Verdict::Overdue, "bad", ("超過", "overdue")),
        ];
        for (verdict, worst, (ja, en)) in marked {
            let n = has(verdict);
            if n > 0 {
                class = worst;
                let n = count(n);
                let mark = symbol(verdict);
                lines.insert(1, w.say(format!("{mark}{ja}{n}"), format!("{mark} {n} {en}")));
            }
        }
        if class == "open" {
            lines[0] = format!("○ {}", lines[0]);
        }
        (class, lines)
    }

    /// Draws the flows below the heads and closes the figure.
    fn rows(mut self, flows: &[FlowReport], head: f64, before: usize) -> String {
        let height = head + flows.len() as f64 * ROW + 6.0;
        for (i, flow) in flows.iter().enumerate() {
            self.row(flow, before + i + 1, head + i as f64 * ROW);
        }
        let mut bands = String::new();
        for (i, lane) in self.lanes.list.iter().enumerate() {
            let class = if i % 2 == 0 { "lane even" } else { "lane" };
            let _ = write!(
                bands,
                r#"<rect class="{class}" x="{:.1}" y="0" width="{:.1}" height="{height:.1}"/>"#,
                lane.x, lane.width
            );
            let _ = write!(
                bands,
                r#"<line class="life" x1="{c:.1}" x2="{c:.1}" y1="{head:.1}" y2="{height:.1}"/>"#,
                c = lane.centre()
            );
        }
        let title = self.w.say("情報の流れ", "Data flow");
        let summary = self.w.say(
            "各列は当事者、列の中の枠は機器・媒体と保有件数、矢印は承認された情報の流れ。同じ内容は下の表にある。",
            "Columns are parties, boxes inside them systems with what is kept, arrows approved flows. The table below says the same.",
        );
        format!(
            r#"<svg class="flow" viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{title}"><title>{title}</title><desc>{summary}</desc><defs><marker id="a{before}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z"/></marker></defs>{bands}{}</svg>"#,
            self.body.replace("MARKER", &format!("a{before}"))
        )
    }

    fn row(&mut self, flow: &FlowReport, number: usize, y: f64) {
        let ends = (self.lanes.at.get(flow.from.party.as_str()), self.lanes.at.get(flow.to.party.as_str()));
        let (Some(&from), Some(&to)) = ends else { return };
        let (x1, x2) = (self.lanes.list[from].centre(), self.lanes.list[to].centre());
        let used = flow.copies + flow.passages > 0;
        let effect = match flow.effect {
            _ if !used => "unused",
            Effect::Moves => "moves",
            Effect::Leaves => "leaves",
            Effect::Relays => "relays",
        };
        let line_y = y + 20.5;
        let _ = write!(self.body, r#"<line class="rule" x1="0" x2="{WIDTH}" y1="{y:.1}" y2="{y:.1}"/>"#);
        if from == to {
            let x = x1 + 1.0;
            let _ = write!(
                self.body,
                r#"<path class="arrow {effect}" d="M{x:.1} {a:.1}h16v14h-15" marker-end="url(#MARKER)"/>"#,
                a = line_y - 9.0
            );
        } else {
            let stop = if x2 > x1 { x2 - 1.0 } else { x2 + 1.0 };
            let _ = write!(
                self.body,
                r#"<circle class="dot" cx="{x1:.1}" cy="{line_y:.1}" r="2.2"/><line class="arrow {effect}" x1="{x1:.1}" y1="{line_y:.1}" x2="{stop:.1}" y2="{line_y:.1}" marker-end="url(#MARKER)"/>"#
            );
        }
        let (title, note) = (self.title(flow, number), self.note(flow, used));
        if from == to {
            let widest = width(&title, NAME).max(width(&note, SMALL));
            let right = x1 + 24.0;
            let (x, anchor) = if right + widest <= WIDTH { (right, "start") } else { (x1 - 6.0, "end") };
            self.text(x, y + 14.0, NAME, anchor, "n", &title);
            self.text(x, y + 30.0, SMALL, anchor, "t", &note);
        } else {
            let middle = f64::midpoint(x1, x2);
            self.centred(middle, y + 14.0, NAME, "n", &title);
            self.centred(middle, y + 34.0, SMALL, "t", &note);
        }
    }

    fn title(&self, flow: &FlowReport, number: usize) -> String {
        let gap = if flow.basis_gap.is_some() {
            self.w.say("　！根拠に不備", " (! basis incomplete)")
        } else {
            ""
        };
        fit(&format!("{number}. {}{gap}", flow.label), WIDTH - 8.0, NAME)
    }

    fn note(&self, flow: &FlowReport, used: bool) -> String {
        let w = self.w;
        let system = |id: &str| if id.is_empty() { "―" } else { short_name(w.system(id)) }.to_owned();
        let mut note = format!("{} → {}", system(&flow.from.system), system(&flow.to.system));
        if flow.from.system.is_empty() && flow.to.system.is_empty() {
            note.clear();
        }
        if !note.is_empty() {
            note.push_str(w.say("　", "; "));
        }
        let state = match (used, flow.open) {
            (false, _) => w.say("使用の記録なし", "not used on record").to_owned(),
            (true, 0) => w.say(
                format!("✓ 複製{}件、保有0", count(flow.copies)),
                format!("✓ {} copies, 0 kept", count(flow.copies)),
            ),
            (true, open) => w.say(
                format!("複製{}件、うち保有{}", count(flow.copies), count(open)),
                format!("{} copies, {} kept", count(flow.copies), count(open)),
            ),
        };
        let state = if used && flow.copies == 0 {
            w.say(format!("授受{}回", count(flow.passages)), format!("{} handovers", count(flow.passages)))
        } else {
            state
        };
        let room = WIDTH - 12.0 - width(&state, SMALL);
        format!("{}{state}", fit(&note, room, SMALL))
    }

    /// Text around `x`, moved so that it stays inside the picture.
    fn centred(&mut self, x: f64, y: f64, size: f64, class: &str, text: &str) {
        let half = width(text, size) / 2.0 + 3.0;
        let x = x.clamp(half.min(WIDTH / 2.0), (WIDTH - half).max(WIDTH / 2.0));
        self.text(x, y, size, "middle", class, text);
    }

    fn text(&mut self, x: f64, y: f64, size: f64, anchor: &str, class: &str, text: &str) {
        let _ = write!(
            self.body,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}">{}</text>"#,
            escape(text)
        );
    }
}

/// The text in at most `most` lines of a width; the last one is cut.
fn wrap(text: &str, room: f64, size: f64, most: usize) -> Vec<String> {
    let room = room.max(size * 2.2);
    let mut lines = vec![String::new()];
    for unit in units(text, room, size) {
        let Some(last) = lines.last_mut() else { break };
        if last.is_empty() || width(&format!("{last}{unit}"), size) <= room {
            last.push_str(unit);
        } else {
            last.truncate(last.trim_end().len());
            lines.push(unit.trim_start().to_owned());
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            last.pop();
            last.push('…');
        }
    }
    lines
}

/// What is not broken: a character with the marks behind it that must not stand at the start of a line, a word or number in Latin
/// script where it fits in a line. A hyphen ends a word and stays with it.
fn units(text: &str, room: f64, size: f64) -> Vec<&str> {
    const NO_START: &str = "、。，．・」』）)］]ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々";
    let mut units: Vec<&str> = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        let word = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && !",/".contains(c));
        let word = at + word.unwrap_or(text.len() - at);
        let word = if word > at && text[word..].starts_with('-') { word + 1 } else { word };
        let marked = NO_START.contains(c) && units.pop().is_some();
        if !marked {
            start = at;
        }
        if word > at && width(&text[at..word], size) > room {
            units.extend(text[at..word].split_inclusive(|_| true));
            at = word;
            // Of the last character: a mark may follow it.
            start = word - 1;
            continue;
        }
        at = if word > at { word } else { at + c.len_utf8() };
        units.push(&text[start..at]);
    }
    units
}

/// The text in one line, or broken where it holds zero-width spaces when it is too wide.
fn break_at_marks(text: &str, room: f64, size: f64) -> Vec<String> {
    let whole = text.replace('\u{200b}', "");
    if width(&whole, size) <= room {
        return vec![whole];
    }
    text.split('\u{200b}').flat_map(|piece| wrap(piece.trim_end(), room, size, 2)).collect()
}

/// A name without what stands in brackets at its end.
fn short_name(label: &str) -> &str {
    match label.find(['(', '（']) {
        Some(at) if at > 0 => &label[..at],
        _ => label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_wrapped_and_cut() {
        assert_eq!(wrap("住民基本台帳", 42.0, 10.0, 3), ["住民基", "本台帳"]);
        assert_eq!(wrap("あいうえおかきくけこ", 32.0, 10.0, 2).len(), 2);
        assert!(wrap("あいうえおかきくけこ", 32.0, 10.0, 2)[1].ends_with('…'));
        assert_eq!(wrap("保有220/1,936", 48.0, 10.0, 3), ["保有", "220/1,936"]);
        assert_eq!(wrap("LGWAN-ASP事業者", 52.0, 10.0, 3), ["LGWAN-", "ASP事業", "者"]);
        assert_eq!(wrap("収納センター", 44.0, 10.0, 3), ["収納セン", "ター"]);
        assert_eq!(wrap("収納センター", 54.0, 10.0, 3), ["収納セン", "ター"], "a long vowel starts no line");
        assert_eq!(wrap("ホストコンピュータ", 66.0, 10.0, 3), ["ホストコン", "ピュータ"]);
        assert_eq!(wrap("計1,936）", 32.0, 10.0, 3), ["計", "1,936）"]);
        assert_eq!(wrap("LGWAN、線", 22.0, 10.0, 4), ["LG", "WA", "N、", "線"]);
        assert_eq!(wrap("ticket machine", 44.0, 10.0, 3), ["ticket", "machine"]);
        assert!(width(&fit("長い長い長い名前", 40.0, 10.0), 10.0) <= 42.0);
    }
}
