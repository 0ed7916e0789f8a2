//! The pictures: the flow of the data, and the copies against their deadlines.

use daicho_custody::Verdict;

use super::super::rich::{Block, Look, Picture, Rich, Section, Table};
use super::sums::number;
use crate::flow_svg;
use crate::timeline_svg::{Form, Unit, picture};
use crate::words::{Words, count};

/// The looks of the flow's picture on paper: black, grey and the one colour. In one line: a picture has no line breaks.
const FLOW_STYLE: &str = "text{font-family:'BIZ UDPGothic','BIZ UDGothic';fill:#000}\
    .n{font-weight:700;paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}\
    text.t{fill:#333;paint-order:stroke;stroke:#fff;stroke-width:2.4px;stroke-linejoin:round}\
    .lane{fill:#fff}.even{fill:#f4f4f4}.life{stroke:#b5b5b5;stroke-width:1;stroke-dasharray:2 3}\
    .rule{stroke:#dadada;stroke-width:.7}.sys{stroke:#777;stroke-width:.9;fill:#fff}.none{stroke-dasharray:3 2}\
    rect.bad{stroke:#8c1c13;stroke-width:2.2}rect.gap{stroke:#000;stroke-width:1.6;stroke-dasharray:6 2}\
    rect.open{stroke:#000;stroke-width:1.1}text.bad{fill:#8c1c13;font-weight:700}text.gap{font-weight:700}text.none{fill:#666}\
    .arrow{stroke:#222;stroke-width:1.3;fill:none}.moves{stroke-width:2.6}.relays{stroke-dasharray:6 3}\
    .unused{stroke:#8a8a8a;stroke-dasharray:2 3}.dot{fill:#222}marker path{fill:#222}";

pub(super) fn flow(w: &Words<'_>) -> Section {
    let mut section = Section::new(w.say("情報の流れ", "Data flow")).on_new_page();
    let figures = flow_svg::figures(w);
    let pages = figures.len();
    for (i, figure) in figures.into_iter().enumerate() {
        let svg = figure.replacen("<svg ", r#"<svg xmlns="http://www.w3.org/2000/svg" "#, 1).replacen(
            "<defs>",
            &format!("<style>{FLOW_STYLE}</style><defs>"),
            1,
        );
        let number = if pages > 1 { format!("{}/{pages}　", i + 1) } else { String::new() };
        let caption = format!(
            "{number}{}",
            w.say(
                "列は当事者、枠は機器・媒体（× 期限超過あり　？ 期限の定めなし　○ 期限内の保有　✓ 保有なし　点線 記録なし）。太い矢印は引渡しにより元の複製がなくなる流れ、細い矢印は元の複製が残る流れ、点線は使用の記録がない流れ。",
                "Columns are parties, boxes systems (× overdue, ? no schedule, ○ kept in time, ✓ nothing kept, dashed: no record). A thick arrow takes the giver’s copy along, a thin one leaves it, a dotted one was not used on record.",
            )
        );
        let alt =
            w.say("情報の流れの図。同じ内容は次の表にある。", "Data flow; the table below says the same.");
        section = section.with(Block::Picture(Picture { svg, alt: alt.to_owned(), caption, width: 1.0 }));
    }
    section.with(Block::Table(flows(w)))
}

fn flows(w: &Words<'_>) -> Table {
    let end = |party: &str, system: &str| {
        let party = w.party(party);
        if system.is_empty() { Rich::from(party) } else { Rich::from(party).line().plain(w.system(system)) }
    };
    let mut table = Table::new(
        [-5.0, 24.0, 20.0, 22.0, -8.0, -7.0, -7.0, 12.0],
        [
            w.say("番", "No."),
            w.say("情報", "Data"),
            w.say("渡す側", "From"),
            w.say("受ける側", "To"),
            w.say("複製", "Copies"),
            w.say("保有", "Kept"),
            w.say("授受", "Moves"),
            w.say("最終使用", "Last use"),
        ],
    );
    for (i, flow) in w.report.flows.iter().enumerate() {
        let mut label = Rich::from(flow.label.as_str()).line().look(Look::Code, &flow.id);
        if let Some(gap) = &flow.basis_gap {
            label = label.line().look(Look::Bold, format!("{}{}", w.say("！", "! "), w.of(gap)));
        }
        let mut to = end(&flow.to.party, &flow.to.system);
        if !flow.via.is_empty() {
            let via: Vec<&str> = flow.via.iter().map(|s| w.system(s)).collect();
            let via = via.join("、");
            to = to.line().look(Look::Note, w.say(format!("経由: {via}"), format!("via {via}")));
        }
        let last = flow.last_use.map_or_else(
            || Rich::new().look(Look::Faint, w.say("記録なし", "none")),
            |time| time.jst_day().to_string().into(),
        );
        table.row([
            (i + 1).to_string().into(),
            label,
            end(&flow.from.party, &flow.from.system),
            to,
            number(flow.copies),
            number(flow.open),
            number(flow.passages),
            last,
        ]);
    }
    table
}

pub(super) fn timeline(w: &Words<'_>) -> Section {
    let r = w.report;
    let section = Section::new(w.say("複製と期限", "Copies against their deadlines"));
    let dated: u64 = r.due_days.iter().map(|d| d.in_time + d.late + d.kept + d.overdue).sum();
    let without = r.totals.copies.saturating_sub(dated);
    let of = |verdict| r.totals.verdicts.get(&verdict).copied().unwrap_or_default();
    let gaps = count(of(Verdict::NoSchedule));
    let rest = w.say(
        format!("期限の日がない複製は{}件（うち期限の定めなし{gaps}件）で、図にはない。", count(without)),
        format!("{} copies have no day on which they are due ({gaps} of them: no schedule) and are not in the picture.", count(without)),
    );
    let Some((svg, form)) = picture(w) else {
        return section.with(Block::Text(rest.into()));
    };
    let caption = caption(w, form);
    let alt = w.say(
        "複製と期限の図。数は結論の表と、明細にある。",
        "Copies against deadlines; the figures are in the tables.",
    );
    let section = section.with(Block::Picture(Picture {
        svg,
        alt: alt.to_owned(),
        caption: caption.to_owned(),
        width: 1.0,
    }));
    if without > 0 && form != Form::Lines { section.with(Block::Note(rest.into())) } else { section }
}

fn caption(w: &Words<'_>, form: Form) -> String {
    let unit = match form {
        Form::Lines => {
            return w
                .say(
                    "帯は複製が存在した間、縦の太線はその期限、矢尻は基準時点での保有、破線は基準時点。期限を過ぎた部分は濃い色で示す。",
                    "A bar lasts as long as its copy, a thick stroke is its deadline, an arrowhead means that it is still kept, the dashed line is the time of the report. What lies past a deadline is dark.",
                )
                .to_owned();
        }
        Form::Bars(Unit::Day) => w.say("日", "day"),
        Form::Bars(Unit::Week) => w.say("7日間", "seven days"),
        Form::Bars(Unit::Month) => w.say("月", "month"),
        Form::Bars(Unit::Quarter) => w.say("3か月", "three months"),
        Form::Bars(Unit::Year) => w.say("年", "year"),
    };
    w.say(
        format!("消去の期限がその{unit}に当たる複製の数。灰 期限内に終了、白 期限内の保有、斜線 期限後に消去・返却（▲）、濃色 期限超過の保有（×）。上の2行は▲と×の件数。"),
        format!("Copies by the {unit} in which they are due. Grey: gone in time; white: kept in time; hatched: late (▲); dark: overdue (×). The two lines above give the numbers of × and ▲."),
    )
}

/// Modules of a QR code as a picture.
pub(super) fn qr(data: &str) -> Option<String> {
    let code = qrcode::QrCode::with_error_correction_level(data, qrcode::EcLevel::M).ok()?;
    let (width, quiet) = (code.width(), 4);
    let side = width + 2 * quiet;
    let mut path = String::new();
    for (i, colour) in code.to_colors().into_iter().enumerate() {
        if colour == qrcode::Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", i % width + quiet, i / width + quiet));
        }
    }
    Some(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><rect width="{side}" height="{side}" fill="white"/><path d="{path}" fill="black"/></svg>"#
    ))
}
