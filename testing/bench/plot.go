package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// The colours of the plots: ours, and the others'. They can be told apart without seeing colours, by their lightness.
var (
	oursColor  = color.RGBA{R: 0x0b, G: 0x5c, B: 0xad, A: 0xff}
	peersColor = color.RGBA{R: 0xb8, G: 0xbe, B: 0xc6, A: 0xff}
)

// save writes a plot as path.png and path.svg.
func save(p *plot.Plot, width, height vg.Length, path string) error {
	for _, kind := range []string{".png", ".svg"} {
		if err := p.Save(width, height, path+kind); err != nil {
			return fmt.Errorf("draw %s%s: %w", path, kind, err)
		}
	}
	return nil
}

// plotRivals draws a bar for each: events per second, the first on top.
func plotRivals(rivals []*rival, path string) error {
	p := plot.New()
	p.Title.Text = "Page views per minute from a full Kafka topic, in M events/s"
	p.X.Min = 0
	var names []string
	var most float64
	var labels plotter.XYLabels
	for i := range rivals {
		r := rivals[len(rivals)-1-i]
		bar, err := plotter.NewBarChart(plotter.Values{r.Rate / 1e6}, vg.Points(22))
		if err != nil {
			return fmt.Errorf("draw %s: %w", r.Name, err)
		}
		bar.Horizontal, bar.XMin, bar.LineStyle.Width, bar.Color = true, float64(i), 0, peersColor
		if r.ours {
			bar.Color = oursColor
		}
		p.Add(bar)
		names, most = append(names, r.Name), max(most, r.Rate)
		labels.XYs = append(labels.XYs, plotter.XY{X: r.Rate / 1e6, Y: float64(i)})
		labels.Labels = append(labels.Labels, fmt.Sprintf(" %.2f", r.Rate/1e6))
	}
	text, err := plotter.NewLabels(labels)
	if err != nil {
		return fmt.Errorf("draw the figures: %w", err)
	}
	for i := range text.TextStyle {
		text.TextStyle[i].YAlign = -0.5
	}
	p.Add(text)
	p.NominalY(names...)
	p.X.Max = 1.12 * most / 1e6
	return save(p, 18*vg.Centimeter, vg.Length(len(rivals)+2)*1.1*vg.Centimeter, path)
}

// plotSoak draws the size of each checkpoint, and in a second picture how long it took.
func plotSoak(s soak, path string) error {
	for _, picture := range []struct {
		suffix, title string
		value         func(checkpoint) float64
	}{
		{"-size", "Checkpoint size on Flink, KB", func(c checkpoint) float64 { return float64(c.Bytes) / 1000 }},
		{"-duration", "Checkpoint duration on Flink, ms", func(c checkpoint) float64 { return c.Seconds * 1000 }},
	} {
		p := plot.New()
		p.Title.Text = fmt.Sprintf("%s, at %d events/s", picture.title, s.Rate)
		p.X.Label.Text = "minutes"
		p.X.Min, p.Y.Min = 0, 0
		var points plotter.XYs
		for _, c := range s.Checkpoint {
			points = append(points, plotter.XY{X: c.At / 60, Y: picture.value(c)})
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return fmt.Errorf("draw the checkpoints: %w", err)
		}
		line.Color, line.Width = oursColor, vg.Points(1.5)
		p.Add(plotter.NewGrid(), line)
		if err := save(p, 18*vg.Centimeter, 7*vg.Centimeter, path+picture.suffix); err != nil {
			return err
		}
	}
	return nil
}
