package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"nms-alert-relay/internal/build"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/provision"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
	mediatype "nms-alert-relay/zabbix"
)

func newSetup(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "setup",
		Short:   "Make in Zabbix everything that the relay needs there",
		Example: `  alert-relay setup zabbix --config config.yaml --dry-run`,
	}
	cmd.AddCommand(newSetupZabbix(g))
	return cmd
}

// envSetupToken has the token of setup.
const envSetupToken = "ALERT_RELAY_SETUP_TOKEN"

// setupFlags are the flags of setup zabbix.
type setupFlags struct {
	source, url, httpProxy, tokenFile, apiTokenFile string
	read, write, sources                            []string
	dryRun, adopt, remove, yes                      bool
	maintenance, scripts                            bool
	features                                        map[zabbix.Feature]bool
}

func newSetupZabbix(g *globals) *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use:   "zabbix",
		Short: "Make or update media type, role, user, token and actions in Zabbix",
		Long: `Make or update in Zabbix 6.0 to 8.0: the media type, a role with the least rights, a user group, a
service user with its media, its API token (written to the source's api_token_file), a trigger
action with problem, recovery and update operations, the global macro {$ALERT_RELAY.URL}, and the
template that monitors the relay (link it to a host yourself).

Zabbix must be reached with the API token of a Super admin, which isn't stored:
from --token-file, ALERT_RELAY_SETUP_TOKEN, or a prompt. Begin with --dry-run, which prints what
would change. A second run changes nothing.

Every object carries a mark. Objects of other people with the same names are left alone, unless
--adopt takes them over. --remove removes what carries the mark, and nothing else. Conditions of
the actions, further parameters of the media type, and further groups and media of the user are
yours: they stay as you change them in Zabbix. Maintenances and scripts from rooms need more
rights, which --maintenance and --scripts give, and --maintenance=false takes back.`,
		Example: `  alert-relay setup zabbix --config config.yaml --dry-run
  alert-relay setup zabbix --config config.yaml --token-file admin-token --write-host-group "Linux servers"
  alert-relay setup zabbix --config config.yaml --remove`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.features = map[zabbix.Feature]bool{}
			for feature, wanted := range map[zabbix.Feature]bool{zabbix.Maintaining: f.maintenance, zabbix.Scripting: f.scripts} {
				if cmd.Flags().Changed(string(feature)) {
					f.features[feature] = wanted
				}
			}
			return runSetup(cmd, g, f)
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.source, "source", "", "`NAME` of the source, if the configuration has several")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` with a Super admin's API token (or the token itself in "+envSetupToken+")")
	flags.StringVar(&f.apiTokenFile, "api-token-file", "", "`FILE` for the relay's own API token, if not the source's api_token_file")
	flags.StringVar(&f.url, "url", "", "`URL` at which the Zabbix server reaches the relay (default server.public_url)")
	flags.StringVar(&f.httpProxy, "http-proxy", "", "`URL` of a proxy between the Zabbix server and the relay")
	flags.StringArrayVar(&f.read, "host-group", nil, "host group `NAME` whose problems the relay may read; repeatable; '*' for all, as for a new user group")
	flags.StringArrayVar(&f.write, "write-host-group", nil, "host group `NAME` in which people may close problems and change severities; repeatable; '*' for all")
	flags.StringArrayVar(&f.sources, "action-source", nil, "`SOURCE` with an action besides trigger: service, discovery, autoregistration or internal; repeatable")
	flags.BoolVar(&f.maintenance, string(zabbix.Maintaining), false, "let rooms start and end maintenances: makes the role's type Admin; hosts need --write-host-group; a later run without it keeps it")
	flags.BoolVar(&f.scripts, string(zabbix.Scripting), false, "let rooms run the scripts of the configuration; a later run without it keeps it")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would change, and change nothing")
	flags.BoolVar(&f.adopt, "adopt", false, "take over objects of other people that have our names")
	flags.BoolVar(&f.remove, "remove", false, "remove everything that carries our mark; asks first")
	flags.BoolVar(&f.yes, "yes", false, "don't ask")
	for _, name := range []string{"token-file", "api-token-file"} {
		_ = cmd.MarkFlagFilename(name) // the flag is defined just above
	}
	complete(cmd, "action-source", cobra.FixedCompletions(provision.ActionSources, cobra.ShellCompDirectiveNoFileComp))
	complete(cmd, "source", g.sources)
	return cmd
}

// setupResult is what setup prints as JSON.
type setupResult struct {
	Source  string `json:"source"`
	Applied bool   `json:"applied"`
	provision.Plan
}

func runSetup(cmd *cobra.Command, g *globals, f setupFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	cfg, err := g.elsewhere(cmd)
	if err != nil {
		return err
	}
	source, err := chosenSource(cfg, f.source)
	if err != nil {
		return err
	}
	o, err := f.options(cfg, source)
	if err != nil {
		return err
	}
	if o.Token, err = setupToken(cmd, f.tokenFile); err != nil {
		return err
	}
	client, err := setupClient(source, o.Token)
	if err != nil {
		return failed(err)
	}
	p := provision.New(o, client, time.Now)
	work := p.Plan
	if f.remove {
		work = p.PlanRemoval
	}
	plan, err := work(cmd.Context())
	if err != nil {
		return failed(err)
	}
	if f.apiTokenFile != "" && f.apiTokenFile != source.APIToken.File() {
		plan.Notes = append(plan.Notes, fmt.Sprintf("the relay doesn't read %s: make it the api_token_file of source %s", f.apiTokenFile, source.Name))
	}
	result := setupResult{Source: source.Name, Plan: plan}
	if g.output != formatJSON {
		fmt.Fprintf(cmd.ErrOrStderr(), "Zabbix %s at %s, source %s\n", plan.Version, text.RedactURL(source.URL), source.Name)
		plan.Write(cmd.OutOrStdout())
		fmt.Fprintln(cmd.OutOrStdout())
	}
	says, err := f.carryOut(cmd, p, &result)
	if g.output == formatJSON {
		return errors.Join(g.print(cmd, result, nil), failed(err))
	}
	if err != nil {
		return failed(err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), says)
	return nil
}

// carryOut applies a plan, if that was asked for, and says what was done.
func (f setupFlags) carryOut(cmd *cobra.Command, p *provision.Setup, r *setupResult) (string, error) {
	plan := r.Plan
	switch pending := len(plan.Pending()); {
	case f.dryRun && len(plan.Steps) == 0, f.remove && pending == 0:
		return "Nothing to remove: nothing carries alert-relay's mark. What a token may not see looks absent.", nil
	case f.dryRun && len(plan.Refused()) > 0:
		return "", errors.New("dry run, nothing was changed: objects of others have our names (--adopt takes them over)")
	case f.dryRun:
		return "Dry run, nothing was changed: " + plan.Summary() + ".", nil
	case pending == 0 && len(plan.Refused()) == 0:
		return "Nothing to do: everything is as it should be.", nil
	case f.remove && !f.yes:
		if err := confirm(cmd, fmt.Sprintf("Remove %s from Zabbix?", count(pending, "object"))); err != nil {
			return "", err
		}
	}
	apply := p.Apply
	if f.remove {
		apply = p.Remove
	}
	done := 0
	err := apply(cmd.Context(), plan, func(provision.Step) { done++ })
	if err != nil && done > 0 {
		return "", fmt.Errorf("%w\n%s before that; run it again once that is fixed", err, count(done, "object")+" done")
	}
	if err != nil {
		return "", err
	}
	r.Applied = true
	if f.remove {
		return fmt.Sprintf("Done: %s removed.", count(done, "object")), nil
	}
	return "Done, and read back from Zabbix: everything is as it should be. Press Test in the list of media types.", nil
}

func (f setupFlags) check() error {
	for flag, address := range map[string]string{"url": f.url, "http-proxy": f.httpProxy} {
		if err := webAddress(flag, address); err != nil {
			return err
		}
	}
	for _, s := range f.sources {
		if !slices.Contains(provision.ActionSources, s) {
			return fmt.Errorf("--action-source %q: expected %s", s, text.Or(provision.ActionSources))
		}
	}
	switch {
	case f.remove && (f.adopt || len(f.read)+len(f.write)+len(f.sources)+len(f.features) > 0 || f.url != "" || f.httpProxy != ""):
		return errors.New("--remove takes no flags about what to make")
	case f.yes && !f.remove:
		return errors.New("--yes requires --remove")
	}
	return nil
}

// chosenSource returns the source that --source names, or the only one.
func chosenSource(cfg *config.Config, name string) (config.Source, error) {
	names := text.Names(cfg.Zabbix, func(s config.Source) string { return s.Name })
	if name == "" && len(cfg.Zabbix) == 1 {
		return cfg.Zabbix[0], nil
	}
	if name == "" {
		return config.Source{}, fmt.Errorf("which source? Use --source %s", text.Or(names))
	}
	if i := slices.Index(names, name); i >= 0 {
		return cfg.Zabbix[i], nil
	}
	return config.Source{}, fmt.Errorf("unknown source %q%s", name, didYouMean(name, "", names))
}

// options are what is wanted for a source.
func (f setupFlags) options(cfg *config.Config, source config.Source) (provision.Options, error) {
	o := provision.Options{URL: cmp.Or(f.url, cfg.Server.PublicURL), HTTPProxy: f.httpProxy, Methods: zabbix.Methods(), ReadGroups: f.read,
		Template: mediatype.Template, WriteGroups: f.write, Features: f.features, ActionSources: f.sources, Adopt: f.adopt}
	if f.remove {
		o.TokenFile = provision.OnDisk{} // it isn't read
		return o, nil
	}
	file := provision.OnDisk{Path: cmp.Or(f.apiTokenFile, source.APIToken.File()), Others: map[string]string{}}
	for name, what := range cfg.SecretFiles() {
		if name != source.APIToken.File() {
			file.Others[name] = what
		}
	}
	if n := len(source.Secrets); n > 0 {
		secret := source.Secrets[n-1] // the new one during a rotation
		o.Secret, file.Like = secret.Reveal(), secret.File()
	}
	o.TokenFile = file
	if len(cfg.Zabbix) > 1 {
		o.Source = source.Name
	}
	switch {
	case o.Secret == "":
		return o, failed(fmt.Errorf("source %s: missing secret, which signs events%s", source.Name, cfg.WhyMissing("zabbix")))
	case o.URL == "":
		return o, errors.New("where does the Zabbix server reach the relay? Use --url, or set server.public_url")
	case file.Path == "":
		return o, fmt.Errorf("source %s: no file for the relay's API token: set api_token_file in the configuration, or use --api-token-file", source.Name)
	}
	return o, nil
}

// setupToken returns the Super admin's token: from a file, the environment, or a prompt.
func setupToken(cmd *cobra.Command, file string) (string, error) {
	if file != "" {
		return readSecret("token-file", file)
	}
	if token := strings.TrimSpace(os.Getenv(envSetupToken)); token != "" {
		return token, nil
	}
	if in, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		fmt.Fprint(cmd.ErrOrStderr(), "API token of a Super admin (Users > API tokens; it isn't kept): ")
		token, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", failed(fmt.Errorf("cannot read the token: %w", err))
		}
		if t := strings.TrimSpace(string(token)); t != "" {
			return t, nil
		}
	}
	return "", errors.New("missing a Super admin's API token: use --token-file or " + envSetupToken + ", or run this on a terminal")
}

func setupClient(source config.Source, token string) (*zabbix.Client, error) {
	transport, err := httpclient.New(zabbix.TransportOf(source, "zabbix[].url"))
	if err != nil {
		return nil, fmt.Errorf("zabbix %q: %w", source.Name, err)
	}
	o := zabbix.OptionsOf(source)
	o.Token, o.TokenFrom, o.Transport, o.Version = token, "setup", transport, build.Current().Version
	o.Timeout = time.Minute // to import or delete a template takes a slow Zabbix more than ten seconds
	return zabbix.New(o), nil
}

// confirm asks a question that only "yes" answers.
func confirm(cmd *cobra.Command, question string) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s Type yes: ", question)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was removed (--yes answers for you)")
	}
	return nil
}
