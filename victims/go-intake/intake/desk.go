// Package intake reads scans, and puts aside those that it cannot read.
package intake

import (
	"bufio"
	"io"
	"os"
	"sync"
)

type rejected struct {
	file   *os.File
	reason error
}

// Desk takes one scan after the other.
type Desk struct {
	folder *folder
	fixed  bool

	mutex     sync.Mutex
	forReview []rejected
	pages     int
}

func NewDesk(path string, fixed bool) *Desk { return &Desk{folder: &folder{path: path}, fixed: fixed} }

// Take reads the scan; one that cannot be read is put aside for a review.
func (d *Desk) Take(name string) error {
	file, err := d.folder.open(name) // LEAK[opened,used,borrowed]: intake-rejected
	if err != nil {
		return err
	}
	text, err := readScan(file)
	if err != nil {
		d.putAside(file, err) // who reviews it closes it; but nobody does
		return err
	}
	d.mutex.Lock()
	d.pages += len(text)
	d.mutex.Unlock()
	return file.Close() // LEAK[closed]: intake-rejected
}

func (d *Desk) putAside(file *os.File, reason error) {
	if d.fixed {
		file.Close()
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.forReview = append(d.forReview, rejected{file, reason})
}

// Size is how many bytes the scan has.
func (d *Desk) Size(name string) int64 {
	file, err := d.folder.open(name)
	if err != nil {
		return 0
	}
	defer file.Close()
	size, err := io.Copy(io.Discard, bufio.NewReader(file))
	if err != nil {
		return 0
	}
	return size
}
