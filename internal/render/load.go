package render

import (
	"errors"
	"fmt"
	"io/fs"
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
	"nms-alert-relay/templates"
)

// The template files.
const (
	fileRoot  = "root.md.tmpl"
	fileItem  = "item.md.tmpl"
	fileLine  = "line.md.tmpl"
	fileLines = "lines.md.tmpl"
	fileCard  = "card.md.tmpl"
	fileShow  = "show.md.tmpl"
	fileParts = "parts.md.tmpl"
)

var fileNames = []string{fileCard, fileItem, fileLine, fileLines, fileParts, fileRoot, fileShow}

const templateSuffix = ".tmpl"

func loadBuiltin() (set, error) {
	all := template.New("").Funcs(functions)
	for _, name := range fileNames {
		body, err := fs.ReadFile(templates.Files, name)
		if err != nil {
			return set{}, fmt.Errorf("built-in template: %w", err)
		}
		if _, err := all.New(name).Parse(string(body)); err != nil {
			return set{}, fmt.Errorf("built-in template: %w", templateError(err))
		}
	}
	return set{all}, nil
}

// load adds the files of a directory to a set and tries each on the samples.
func (r *Renderer) load(onto set, dir string) (set, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return onto, fmt.Errorf("templates: %w", err)
	}
	all, err := onto.all.Clone()
	if err != nil {
		return onto, fmt.Errorf("templates of %s: %w", dir, err)
	}
	var faults []error
	found := 0
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || !strings.HasSuffix(name, templateSuffix) {
			continue // a README, what an editor or a mounted volume leaves
		}
		if found++; !slices.Contains(fileNames, name) {
			faults = append(faults, fmt.Errorf("%s: no such template: want one of %s (shared pieces go into %s)",
				filepath.Join(dir, name), strings.Join(fileNames, ", "), fileParts))
			continue
		}
		if err := parseFile(all, dir, name); err != nil {
			faults = append(faults, err)
		}
	}
	if found == 0 {
		faults = append(faults, fmt.Errorf("%s: no template in it: want at least one of %s", dir, strings.Join(fileNames, ", ")))
	}
	if len(faults) == 0 {
		faults = r.try(set{all}, dir)
	}
	return set{all}, errors.Join(faults...)
}

func parseFile(all *template.Template, dir, name string) error {
	path := filepath.Join(dir, name)
	body, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("templates: %w", err)
	}
	// Under its path, so that every later error names the file and the line.
	parsed, err := all.New(path).Parse(string(body))
	if err != nil {
		return templateError(err)
	}
	if name != fileParts && (parsed.Tree == nil || parse.IsEmptyTree(parsed.Root)) {
		return fmt.Errorf("%s:1: the template is empty: remove the file to have the built-in one", path)
	}
	if parsed.Tree != nil {
		_, err = all.AddParseTree(name, parsed.Tree)
	}
	return err
}

// try runs every template of a set on every sample: a misspelt field is told
// at start and not when the first problem of its kind comes.
func (r *Renderer) try(s set, dir string) []error {
	samples := Samples()
	names := slices.Sorted(maps.Keys(samples))
	told := make(map[string]bool) // the same fault comes with many samples
	var faults []error
	for _, file := range fileNames {
		if file == fileParts {
			continue
		}
		for _, sample := range names {
			err := r.tryOne(s, file, samples[sample])
			if err != nil && !told[err.Error()] {
				told[err.Error()] = true
				faults = append(faults, fmt.Errorf("%w (with the sample problem %q)", inDir(err, dir), sample))
			}
			if errors.Is(err, errTooLong) {
				break // it takes its time, and tells no more with other samples
			}
		}
	}
	return faults
}

func (r *Renderer) tryOne(s set, file string, p alert.Problem) error {
	for _, presentation := range []config.Presentation{config.PresentThread, config.PresentCard, config.PresentLine} {
		room := Room{Name: "noc", Presentation: presentation, Location: time.UTC}
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

// inDir makes sure that a fault names its directory.
func inDir(err error, dir string) error {
	if strings.Contains(err.Error(), dir) {
		return err
	}
	return fmt.Errorf("%s: %w", dir, err)
}

// templateError is an error of text/template without that package's prefix: it
// begins with "FILE:LINE:" then.
func templateError(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "template: "))
}
