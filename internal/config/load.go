package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Options say how a configuration is read.
type Options struct {
	// Env looks up an environment variable; nil for none.
	Env func(name string) string
	// ReadFile reads a file that the configuration refers to, with its mode; nil for the disk.
	ReadFile func(name string) ([]byte, fs.FileMode, error)
	// Seen is called with each file that is read, the configuration file too; content is nil for one that can't be read. nil for none.
	Seen func(name string, content []byte)
	// Elsewhere says that the relay runs on another machine: secrets, certificates and directories that don't exist here are
	// warnings, not faults.
	Elsewhere bool
	// Strict makes every warning a fault.
	Strict bool
}

// Read reads a configuration file. Its error is a Faults with everything that is wrong.
func Read(path string, opts Options) (*Config, error) {
	data, err := os.ReadFile(path)
	if opts.Seen != nil {
		opts.Seen(path, data)
	}
	if err != nil {
		return nil, Faults{{File: path, What: "cannot read the file: " + cause(err)}}
	}
	return Parse(path, data, opts)
}

// Parse turns a file's content into a Config. name is the file's name, for faults and relative paths.
func Parse(name string, data []byte, opts Options) (*Config, error) {
	l := newLoader(name, opts)
	root, fault := document(name, data)
	if fault != nil {
		return nil, Faults{*fault}
	}
	cfg := defaults()
	cfg.File = name
	l.lines[""] = 1
	if root != nil {
		l.decode(root, reflect.ValueOf(cfg).Elem(), "")
	}
	l.complete(cfg)
	l.secrets(cfg)
	l.rules(cfg)
	l.check(cfg)
	if len(l.found) > 0 {
		l.found.sort()
		return nil, l.found
	}
	l.warnings.sort()
	cfg.Warnings = l.warnings
	return cfg, nil
}

// loader turns one file into a Config.
type loader struct {
	decoder
	opts     Options
	warnings Faults
}

func newLoader(name string, opts Options) *loader {
	if opts.ReadFile == nil {
		opts.ReadFile = readFile
	}
	if seen, read := opts.Seen, opts.ReadFile; seen != nil {
		opts.ReadFile = func(name string) ([]byte, fs.FileMode, error) {
			data, mode, err := read(name)
			seen(name, data)
			return data, mode, err
		}
	}
	return &loader{opts: opts, decoder: decoder{file: name, bad: map[string]bool{}, lines: map[string]int{}, refs: map[string][]place{}}}
}

func (l *loader) warn(path, what, hint string) {
	to := &l.warnings
	if l.opts.Strict {
		to = &l.found
	}
	*to = append(*to, newFault(l.file, l.line(path), path, what, hint))
}

func (l *loader) env(name string) string {
	if l.opts.Env == nil {
		return ""
	}
	return l.opts.Env(name)
}

// document parses YAML; nil for an empty file.
func document(name string, data []byte) (*yaml.Node, *Fault) {
	reader := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := reader.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, syntax(name, data, err)
	}
	if err := reader.Decode(&more); err == nil {
		return nil, &Fault{File: name, Line: max(more.Line, 1), What: "a second YAML document starts here", Hint: "use one document per file: remove the ---"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntax(name, data, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax returns the fault of a file with invalid YAML.
func syntax(name string, data []byte, err error) *Fault {
	text := err.Error()
	line := 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		text = text[len(m[0]):]
	}
	fault := &Fault{File: name, Line: line, What: "invalid YAML: " + text}
	lines := strings.Split(string(data), "\n")
	for i := max(0, line-2); i < min(len(lines), line+1); i++ {
		if indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " \t"))]; strings.Contains(indent, "\t") {
			fault.Line, fault.Hint = i+1, "indent with spaces, not tabs"
			break
		}
	}
	return fault
}

// cause returns a file system error without its path.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
