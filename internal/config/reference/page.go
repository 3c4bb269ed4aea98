package reference

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/doyen-mesh/doyen/internal/config"
)

// Page returns the reference of all fields as Markdown. Each kind is shown by one file of the example: a
// folder of documents in which there is a file of that kind.
func Page(example fs.FS) (string, error) {
	kinds, groups := config.Describe()
	var b strings.Builder
	b.WriteString(introduction)
	for _, k := range kinds {
		text, err := exampleOf(example, k.Name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```yaml\n%s```\n\n", k.Name, k.Doc, text)
		table(&b, k)
	}
	b.WriteString("\n## Groups of fields\n")
	for _, g := range groups {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", g.Name, g.Doc)
		if g.Short != nil {
			fmt.Fprintf(&b, "In short: %s.\n\n", g.Short.Words)
		}
		table(&b, g)
	}
	return b.String(), nil
}

const introduction = `<!-- Generated from the types of internal/config by its tests (-update). Do not edit. -->

# Configuration

A mesh is described by a folder of YAML files, on a laptop as at scale. All files whose names end in
` + "`.yaml` or `.yml`" + ` are read, those in subfolders too; names that begin with a dot are left out. A file holds
one document or several, with a line ` + "`---`" + ` between them. Neither the files' names nor the order of documents mean anything.

` + "`doyen validate DIR`" + ` checks a folder as the server does. ` + "`doyen schema`" + ` prints the JSON Schema of documents; an editor
with the YAML language server completes and checks a file that begins with

` + "```yaml\n# yaml-language-server: $schema=" + URL + "\n```" + `

What is written here is strict:

- A field that does not exist, a value of another type, and a name without a document are problems. A folder with a
  problem is not taken; what was taken before stays in force.
- Where a list is expected, one item alone is a list of one: ` + "`calls: users`" + `.
- Where a group of fields has a short form, one plain value may stand for it: ` + "`ports: 8080`" + `.
- Durations are numbers with units: ` + "`250ms`, `3s`, `1m30s`, `24h`" + `. Numbers are decimal and whole.
- Names are 1-63 letters a-z, digits and hyphens, beginning with a letter and not ending with a hyphen.
- Anchors, aliases, merge keys and tags are not used: each document reads by itself. What many documents share
  belongs into the Mesh's ` + "`defaults`" + `.
`

// exampleOf returns the text of the first file that begins with a document of a kind, comments before it
// included.
func exampleOf(example fs.FS, kind string) (string, error) {
	names, err := fs.Glob(example, "*.yaml")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		text, err := fs.ReadFile(example, name)
		if err != nil {
			return "", err
		}
		if strings.Contains("\n"+string(text), "\nkind: "+kind+"\n") {
			return string(text), nil
		}
	}
	return "", fmt.Errorf("no example of kind %s", kind)
}

func table(b *strings.Builder, g config.Group) {
	b.WriteString("| field | takes | default | example | meaning |\n|---|---|---|---|---|\n")
	for _, f := range g.Fields {
		if f.Name == "kind" {
			f.Type, f.Words, f.Example = config.Word, []string{g.Name}, g.Name
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", f.Name, takes(f), initial(f), code(f.Name+": "+f.Example), cell(f.Doc))
	}
}

// takes says what a field takes: type, range and unit.
func takes(f config.Field) string {
	var s string
	switch f.Type {
	case config.Object:
		s = fmt.Sprintf("[%s](#%s)", f.Group, strings.ToLower(f.Group))
	case config.Word:
		s = strings.Join(f.Words, ", ")
		if len(f.Words) > 1 {
			s = "one of " + s
		}
	case config.Text:
		s = texts[f.Format]
	default:
		s = string(f.Type)
	}
	switch {
	case f.Low != "" && f.Low == f.High:
		s += " " + f.Low
	case f.Low != "":
		s += fmt.Sprintf(" from %s to %s", f.Low, f.High)
	}
	if f.Unit != "" {
		s += ", " + f.Unit
	}
	if f.List {
		s += "; one or a list"
	}
	return s
}

// texts names the rules of text.
var texts = map[string]string{
	"":          "text",
	"text":      "text, one line",
	"name":      "name",
	"path":      "path of a URL",
	"file":      "absolute path of a file",
	"ip":        "IP address",
	"host":      "DNS name",
	"hostmatch": "host, `*.` and a host, or `*`",
}

// initial is what holds when a field is absent.
func initial(f config.Field) string {
	switch {
	case f.Required:
		return "**required**"
	case f.Default != "":
		return code(f.Default)
	default:
		return ""
	}
}

func code(s string) string { return "`" + cell(s) + "`" }

// cell keeps text from ending a table's cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
