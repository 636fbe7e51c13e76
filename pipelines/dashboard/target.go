package dashboard

// Target is what a figure is to keep to, and the tile that shows it.
type Target struct {
	ID    string  `json:"id"`
	Title string  `json:"title"`
	Unit  string  `json:"unit"`
	Goal  float64 `json:"goal"`  // it is met below this, or, where More, above
	Limit float64 `json:"limit"` // beyond which somebody is told; zero where nobody is
	More  bool    `json:"more"`  // more is better
}

// DefaultTargets are the four.
func DefaultTargets() []Target {
	return []Target{
		{ID: "lag", Title: "Consumer lag", Unit: "records", Goal: 1000, Limit: 5000},
		{ID: "latency", Title: "Processing latency, p95", Unit: "s", Goal: 30, Limit: 60},
		{ID: "throughput", Title: "Throughput", Unit: "events/s", Goal: 10_000, More: true},
		{ID: "checkpoint", Title: "Checkpoint duration", Unit: "s", Goal: 10, Limit: 30},
	}
}
