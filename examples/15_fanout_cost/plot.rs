//! The plot of chapter 15: time against members, both on logarithmic scales.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

/// A line of the plot: its name, and its points, which are members and milliseconds.
pub type Line<'a> = (&'a str, Vec<(f64, f64)>);

/// The font of all texts, large enough for a projector.
const FONT: (&str, u32) = ("sans-serif", 16);

/// Writes the plot as SVG.
pub fn write_plot(path: &Path, lines: [Line<'_>; 3]) -> Result<(), Box<dyn Error>> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let area = SVGBackend::new(path, (720, 440)).into_drawing_area();
    area.fill(&WHITE)?;
    let points = || lines.iter().flat_map(|(_, points)| points);
    let most = points().map(|point| point.0).fold(10.0, f64::max);
    let longest = points().map(|point| point.1).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(84)
        .build_cartesian_2d((8.0..most * 1.5).log_scale(), (0.02..longest * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("members of the room")
        .label_style(FONT)
        .axis_desc_style(FONT)
        .y_desc("milliseconds until every member has every message")
        .x_label_formatter(&|members| format!("{members}"))
        .y_label_formatter(&|time| format!("{time}"))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for ((name, points), color) in lines.into_iter().zip([BLUE, RED, BLACK]) {
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(FONT)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
