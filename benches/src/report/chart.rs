//! The catch-up results as a drawing: for each workload one bar per system, as long as the time it took against the
//! user's native setting.

use std::fmt::Write as _;

use super::{Line, users_native};

const LABEL_WIDTH: f64 = 190.0;
const BAR_AREA_WIDTH: f64 = 560.0;
const VALUE_WIDTH: f64 = 150.0;
const BAR_HEIGHT: f64 = 13.0;
const GROUP_GAP: f64 = 14.0;
const HEAD_HEIGHT: f64 = 58.0;
/// The longest bar, in times of the user's setting; a longer one is cut, and its figure tells.
const SHARE_MAX: f64 = 1.4;

/// Systems with their colours, which both a light and a dark page carry.
const COLOURS: [(&str, &str); 4] = [
    ("native-4-optimistic", "#8c8c8c"),
    ("native-4-conservative", "#b3a17a"),
    ("native-0", "#6f9bd1"),
    ("tributary", "#2a9d5c"),
];

/// The drawing, as SVG. Workloads that were not run with the user's setting are left out: they have no measure.
pub(super) fn draw(lines: &[Line]) -> String {
    let mut body = String::new();
    let mut y = HEAD_HEIGHT;
    let mut workload = "";
    for line in lines.iter().filter(|line| line.is_catch_up()) {
        let Some(native) = users_native(lines, line) else {
            continue;
        };
        if line.workload != workload {
            y += if workload.is_empty() { 0.0 } else { GROUP_GAP };
            workload = &line.workload;
            let text = label(LABEL_WIDTH - 8.0, y + BAR_HEIGHT - 3.0, "end", &line.workload);
            body.push_str(&text);
        }
        bar(&mut body, y, line, line.seconds / native);
        y += BAR_HEIGHT;
    }
    let (width, height) = (LABEL_WIDTH + BAR_AREA_WIDTH + VALUE_WIDTH, y + 12.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}{}{body}</svg>\n",
        legend(),
        reference(height)
    )
}

fn bar(body: &mut String, y: f64, line: &Line, share: f64) {
    let width = share.min(SHARE_MAX) / SHARE_MAX * BAR_AREA_WIDTH;
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        body,
        "<rect x=\"{LABEL_WIDTH}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
        BAR_HEIGHT - 2.0,
        colour(&line.system)
    );
    let text = format!("{:.2} s, {:.1}x", line.seconds, 1.0 / share);
    body.push_str(&label(
        LABEL_WIDTH + width + 5.0,
        y + BAR_HEIGHT - 3.0,
        "start",
        &text,
    ));
}

fn legend() -> String {
    let mut text = label(
        8.0,
        18.0,
        "start",
        "Time to catch up; the user's native setting ends at the line. Shorter is faster.",
    );
    let mut x = LABEL_WIDTH;
    for (system, colour) in COLOURS {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"30\" width=\"10\" height=\"10\" fill=\"{colour}\"/>"
        );
        text.push_str(&label(x + 14.0, 39.0, "start", system));
        x += 150.0;
    }
    text
}

fn reference(height: f64) -> String {
    let x = LABEL_WIDTH + BAR_AREA_WIDTH / SHARE_MAX;
    format!(
        "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#c0c0c0\" stroke-dasharray=\"3 3\"/>\n",
        HEAD_HEIGHT - 6.0,
        height - 6.0
    )
}

fn label(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222222\">{text}</text>\n")
}

fn colour(system: &str) -> &'static str {
    COLOURS
        .iter()
        .find(|(name, _)| *name == system)
        .map_or("#444444", |(_, colour)| colour)
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::{lines, runs};
    use super::*;
    use crate::system::System;

    #[test]
    fn bars_are_as_long_as_their_share_of_the_users_setting() {
        let svg = draw(&lines());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        let bars: Vec<&str> = svg
            .lines()
            .filter(|line| line.contains("height=\"11.0\""))
            .collect();
        // 9.0, 5.0 and 2.5 seconds; the first is 1 / 1.4 of the area.
        for (bar, width) in bars.iter().zip(["400.0", "222.2", "111.1"]) {
            assert!(bar.contains(&format!("width=\"{width}\"")), "{bar}");
        }
        assert_eq!(bars.len(), 3);
        assert!(svg.contains("2.50 s, 3.6x"), "{svg}");
    }

    #[test]
    fn every_system_has_a_colour_and_one_without_measure_no_bar() {
        for system in System::ALL {
            assert_ne!(colour(system.name()), "#444444");
        }
        let alone = Line::of("big", "tributary", 1, 1, runs(System::Tributary, &[1.0]));
        assert!(!draw(&alone.into_iter().collect::<Vec<_>>()).contains("big"));
    }
}
