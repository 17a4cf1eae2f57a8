// Package build says which build of the program this is.
package build

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Set by the linker in a release (packaging/release.sh): -X nms-alert-relay/internal/build.version=1.2.3.
var version, commit, date string

// Info identifies a build.
type Info struct {
	Version  string `json:"version"` // "dev" unless it is a release
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"` // of the commit, since the time of a build isn't reproducible
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Current returns the build that runs. A build from a checkout with plain `go build` knows its commit too.
func Current() Info {
	var settings []debug.BuildSetting
	if b, ok := debug.ReadBuildInfo(); ok {
		settings = b.Settings
	}
	return info(version, commit, date, settings)
}

func info(version, commit, date string, settings []debug.BuildSetting) Info {
	vcs := map[string]string{}
	for _, s := range settings {
		vcs[s.Key] = s.Value
	}
	found := vcs["vcs.revision"]
	if found != "" && vcs["vcs.modified"] == "true" {
		found += "-modified"
	}
	return Info{
		Version: cmp.Or(version, "dev"), Commit: cmp.Or(commit, found), Date: cmp.Or(date, vcs["vcs.time"]),
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

// String is the version with what identifies the build: "1.2.3 (commit 0a1b2c3d4e5f, 2026-11-24T13:00:00Z, go1.26.8)".
func (i Info) String() string {
	var details []string
	if i.Commit != "" {
		short, modified, _ := strings.Cut(i.Commit, "-")
		if modified != "" {
			modified = "-" + modified
		}
		details = append(details, "commit "+short[:min(12, len(short))]+modified)
	}
	if i.Date != "" {
		details = append(details, i.Date)
	}
	return fmt.Sprintf("%s (%s)", i.Version, strings.Join(append(details, i.Go), ", "))
}
