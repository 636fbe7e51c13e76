package click_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/transforms/click"
)

const latest = 1_800_000_000_000

func TestCheck(t *testing.T) {
	valid := click.Click{EventID: "e", UserID: "", PageURL: "/", Timestamp: latest}
	require.Nil(t, valid.Check(latest))

	for name, c := range map[string]struct {
		change func(*click.Click)
		reason click.Reason
		detail string
	}{
		"no event id":      {func(c *click.Click) { c.EventID = "" }, click.InvalidField, "event_id"},
		"no page":          {func(c *click.Click) { c.PageURL = "" }, click.InvalidField, "page_url"},
		"a page too long":  {func(c *click.Click) { c.PageURL = strings.Repeat("x", click.MaxPageURL+1) }, click.TooLarge, "8193"},
		"time zero":        {func(c *click.Click) { c.Timestamp = 0 }, click.InvalidField, "milliseconds"},
		"time negative":    {func(c *click.Click) { c.Timestamp = -1 }, click.InvalidField, "-1"},
		"seconds":          {func(c *click.Click) { c.Timestamp = 1_700_000_000 }, click.InvalidField, "1700000000"},
		"the future":       {func(c *click.Click) { c.Timestamp = latest + 1 }, click.FutureTimestamp, "1 ms"},
		"page not UTF-8":   {func(c *click.Click) { c.PageURL = "/\xff" }, click.InvalidField, "page_url"},
		"user not UTF-8":   {func(c *click.Click) { c.UserID = "\xc3" }, click.InvalidField, "user_id"},
		"event not UTF-8":  {func(c *click.Click) { c.EventID = "\xed\xa0\x80" }, click.InvalidField, "event_id"},
		"session not UTF8": {func(c *click.Click) { c.SessionID = "\xfe" }, click.InvalidField, "session_id"},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := valid
			c.change(&c2)
			f := c2.Check(latest)
			require.NotNil(t, f)
			assert.Equal(t, c.reason, f.Reason)
			assert.Contains(t, f.Detail, c.detail)
		})
	}

	longest := valid
	longest.PageURL = strings.Repeat("x", click.MaxPageURL)
	assert.Nil(t, longest.Check(latest))
}

func TestOffsetRangeUnion(t *testing.T) {
	assert.Equal(t, click.OffsetRange{First: 3, Next: 12}, click.OffsetRange{First: 5, Next: 12}.Union(click.OffsetRange{First: 3, Next: 6}))
}
