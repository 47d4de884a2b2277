// Package labels draws labels.
package labels

import (
	"strings"
)

// Printer draws labels from the templates of a folder.
type Printer struct {
	Folder string
	Scale  string
	Fixed  bool
}

// Print draws one label; nil when the template or the parcel is not in order.
func (p *Printer) Print(template, parcel string) []byte {
	text, err := p.template(template)
	if err != nil {
		return nil
	}
	weight, err := p.weigh(parcel)
	if err != nil {
		return nil
	}
	page := make([]byte, 0, 256<<10) // a page of dots
	for line := range strings.Lines(strings.ReplaceAll(text, "{name}", parcel)) {
		page = append(page, line...)
	}
	return append(page, weight...)
}
