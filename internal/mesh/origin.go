package mesh

import "fmt"

// Origin is the place in a document that caused something, and the document's owner.
type Origin struct {
	File   string // relative to the folder of documents, with forward slashes
	Line   int    // from 1; 0 when only the file is known
	Column int    // from 1, in runes; 0 when not known
	Owner  string // the document's owner; "" when it names none
}

// String returns the form that editors and terminals recognize as a link: file:line:column.
func (o Origin) String() string {
	switch {
	case o.Line == 0:
		return o.File
	case o.Column == 0:
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", o.File, o.Line, o.Column)
	}
}
