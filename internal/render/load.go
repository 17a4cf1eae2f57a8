package render

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/templates"
)

// The template files.
const (
	fileRoot    = "root.md.tmpl"
	fileItem    = "item.md.tmpl"
	fileLine    = "line.md.tmpl"
	fileLines   = "lines.md.tmpl"
	fileCard    = "card.md.tmpl"
	fileDetails = "details.md.tmpl"
	fileShow    = "show.md.tmpl"
	fileParts   = "parts.md.tmpl"
)

var fileNames = []string{fileCard, fileDetails, fileItem, fileLine, fileLines, fileParts, fileRoot, fileShow}

const templateSuffix = ".tmpl"

// builtin are the built-in templates.
var builtin = newSet(template.Must(template.New("").Funcs(functions(lang.English)).ParseFS(templates.Files, "*"+templateSuffix)))

// load adds the templates of a directory to a set and tries each on the samples.
func (r *Renderer) load(onto set, dir string) (set, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return onto, fmt.Errorf("templates: %w", err)
	}
	all, err := onto.in(lang.English).Clone()
	if err != nil {
		return onto, fmt.Errorf("templates of %s: %w", dir, err)
	}
	var faults []error
	found := 0
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || !strings.HasSuffix(name, templateSuffix) {
			continue // a README, an editor's backup, a mounted volume's links
		}
		if found++; !slices.Contains(fileNames, name) {
			faults = append(faults, fmt.Errorf("%s: unknown template, expected one of %s (shared pieces go into %s)",
				filepath.Join(dir, name), strings.Join(fileNames, ", "), fileParts))
			continue
		}
		if err := parseFile(all, dir, name); err != nil {
			faults = append(faults, err)
		}
	}
	if found == 0 {
		faults = append(faults, fmt.Errorf("%s: no templates, expected at least one of %s", dir, strings.Join(fileNames, ", ")))
	}
	own := newSet(all)
	if len(faults) == 0 {
		faults = r.try(own, dir)
	}
	return own, errors.Join(faults...)
}

func parseFile(all *template.Template, dir, name string) error {
	path := filepath.Join(dir, name)
	body, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("templates: %w", err)
	}
	// Parsed under its path, so that later errors name file and line.
	parsed, err := all.New(path).Parse(string(body))
	if err != nil {
		return templateError(err)
	}
	if name != fileParts && (parsed.Tree == nil || parse.IsEmptyTree(parsed.Root)) {
		return fmt.Errorf("%s:1: empty template (remove the file to use the built-in one)", path)
	}
	if parsed.Tree != nil {
		_, err = all.AddParseTree(name, parsed.Tree)
	}
	return err
}

// try runs every template on every sample, so that a misspelt field is reported at start instead of with the first problem
// that needs it.
func (r *Renderer) try(s set, dir string) []error {
	samples := Samples()
	names := slices.Sorted(maps.Keys(samples))
	seen := make(map[string]bool) // many samples give the same fault
	var faults []error
	for _, file := range fileNames {
		if file == fileParts {
			continue
		}
		for _, sample := range names {
			err := r.tryOne(s, file, samples[sample])
			if err != nil && !seen[err.Error()] {
				seen[err.Error()] = true
				faults = append(faults, fmt.Errorf("%w (with the sample problem %q)", inDir(err, dir), sample))
			}
			if errors.Is(err, errTooLong) {
				break // slow, and the same with every sample
			}
		}
	}
	return faults
}

func (r *Renderer) tryOne(s set, file string, p alert.Problem) error {
	for _, presentation := range []config.Presentation{config.PresentThread, config.PresentCard, config.PresentLine} {
		room := Room{Name: sampleRoom, Presentation: presentation, Location: time.UTC}
		b := r.builder(&p, room, scales[0])
		v := b.view(room, SamplesNow)
		v.Lines, v.Earlier = b.newest(p.Timeline, v.Now)
		v.Timeline = v.Lines
		if _, err := s.run(file, v); err != nil {
			return err
		}
	}
	return nil
}

// inDir adds the directory to an error that doesn't name it.
func inDir(err error, dir string) error {
	if strings.Contains(err.Error(), dir) {
		return err
	}
	return fmt.Errorf("%s: %w", dir, err)
}

// templateError returns an error of text/template without its prefix, so that it begins with "FILE:LINE:".
func templateError(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "template: "))
}
