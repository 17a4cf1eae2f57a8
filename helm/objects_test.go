package helm

import (
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	admission "k8s.io/pod-security-admission/api"
	security "k8s.io/pod-security-admission/policy"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	kjson "sigs.k8s.io/json"
)

// kinds are the types of what the chart makes.
var kinds = map[string]func() runtime.Object{
	"v1/ConfigMap":                            func() runtime.Object { return &core.ConfigMap{} },
	"v1/PersistentVolumeClaim":                func() runtime.Object { return &core.PersistentVolumeClaim{} },
	"v1/Pod":                                  func() runtime.Object { return &core.Pod{} },
	"v1/Service":                              func() runtime.Object { return &core.Service{} },
	"v1/ServiceAccount":                       func() runtime.Object { return &core.ServiceAccount{} },
	"apps/v1/StatefulSet":                     func() runtime.Object { return &apps.StatefulSet{} },
	"networking.k8s.io/v1/Ingress":            func() runtime.Object { return &networking.Ingress{} },
	"networking.k8s.io/v1/NetworkPolicy":      func() runtime.Object { return &networking.NetworkPolicy{} },
	"policy/v1/PodDisruptionBudget":           func() runtime.Object { return &policy.PodDisruptionBudget{} },
	"gateway.networking.k8s.io/v1/HTTPRoute":  func() runtime.Object { return &gateway.HTTPRoute{} },
	"monitoring.coreos.com/v1/ServiceMonitor": func() runtime.Object { return &monitoring.ServiceMonitor{} },
	"monitoring.coreos.com/v1/PrometheusRule": func() runtime.Object { return &monitoring.PrometheusRule{} },
}

// typed returns an object as its type; keys that the type doesn't have are faults.
func typed(t testing.TB, o *unstructured.Unstructured) runtime.Object {
	t.Helper()
	kind := o.GetAPIVersion() + "/" + o.GetKind()
	empty := kinds[kind]
	require.NotNil(t, empty, "no type for %s", kind)
	raw, err := o.MarshalJSON()
	require.NoError(t, err)
	object := empty()
	strict, err := kjson.UnmarshalStrict(raw, object)
	require.NoError(t, err, "%s %s", kind, o.GetName())
	require.Empty(t, strict, "%s %s", kind, o.GetName())
	return object
}

// all returns the objects of a type.
func all[T runtime.Object](t testing.TB, r rendering) []T {
	t.Helper()
	var found []T
	for _, o := range r.objects {
		if object, ok := typed(t, o).(T); ok {
			found = append(found, object)
		}
	}
	return found
}

func statefulSet(t testing.TB, r rendering) *apps.StatefulSet {
	t.Helper()
	sets := all[*apps.StatefulSet](t, r)
	require.Len(t, sets, 1)
	return sets[0]
}

// pods are the relay's pod and that of `helm test`.
func pods(t testing.TB, r rendering) map[string]core.Pod {
	t.Helper()
	tests := all[*core.Pod](t, r)
	require.Len(t, tests, 1)
	set := statefulSet(t, r)
	return map[string]core.Pod{
		"relay": {ObjectMeta: set.Spec.Template.ObjectMeta, Spec: set.Spec.Template.Spec},
		"test":  *tests[0],
	}
}

func containers(p core.Pod) []core.Container {
	return slices.Concat(p.Spec.InitContainers, p.Spec.Containers)
}

// Every manifest has only fields that its type knows, a name of its own, and the chart's labels.
func TestManifestsAreOfTheirTypes(t *testing.T) {
	eachExample(t, func(t *testing.T, r rendering) {
		seen := map[string]bool{}
		for _, o := range r.objects {
			typed(t, o)
			id := o.GetKind() + " " + o.GetName()
			require.False(t, seen[id], "%s twice", id)
			seen[id] = true
			require.Equal(t, "alert-relay", o.GetLabels()["app.kubernetes.io/name"], id)
			require.Equal(t, releaseName, o.GetLabels()["app.kubernetes.io/instance"], id)
			require.LessOrEqual(t, len(o.GetName()), 63, id)
		}
		require.Greater(t, len(seen), 6)
	})
}

// Decoding reports a field that the type doesn't have: otherwise the test above would check nothing.
func TestUnknownFieldsAreFound(t *testing.T) {
	_, err := kjson.UnmarshalStrict([]byte(`{"spec": {"replica": 1}}`), &apps.StatefulSet{})
	require.NoError(t, err)
	strict, _ := kjson.UnmarshalStrict([]byte(`{"spec": {"replica": 1}}`), &apps.StatefulSet{})
	require.Len(t, strict, 1)
}

// Every pod meets the strictest of Kubernetes's pod security standards, and its root file system is read-only.
func TestPodsAreRestricted(t *testing.T) {
	evaluator, err := security.NewEvaluator(security.DefaultChecks(), nil)
	require.NoError(t, err)
	restricted := admission.LevelVersion{Level: admission.LevelRestricted, Version: admission.LatestVersion()}
	eachExample(t, func(t *testing.T, r rendering) {
		for name, pod := range pods(t, r) {
			for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
				require.True(t, result.Allowed, "%s: %s: %s", name, result.ForbiddenReason, result.ForbiddenDetail)
			}
			require.False(t, *pod.Spec.AutomountServiceAccountToken, name)
			for _, c := range containers(pod) {
				require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, "%s: %s", name, c.Name)
			}
		}
	})
}

// ConfigMap and Secrets are mounted as directories, which follow their changes, and no annotation restarts the pod on a change.
func TestChangesReachTheRunningRelay(t *testing.T) {
	eachExample(t, func(t *testing.T, r rendering) {
		for name, pod := range pods(t, r) {
			for _, c := range containers(pod) {
				for _, mount := range c.VolumeMounts {
					require.Empty(t, mount.SubPath, "%s: %s", name, mount.Name)
				}
			}
		}
		require.Empty(t, statefulSet(t, r).Spec.Template.Annotations)
		require.NotContains(t, r.text, "checksum/")
	})
	before, after := mustRender(t, "minimal"), mustRender(t, "minimal", "config.storm.threshold=3")
	require.NotEqual(t, before.text, after.text)
	require.Equal(t, statefulSet(t, before), statefulSet(t, after), "a changed configuration must not restart the pod")
}

// The chart makes no Secret.
func TestNoSecretIsMade(t *testing.T) {
	eachExample(t, func(t *testing.T, r rendering) {
		for _, o := range r.objects {
			require.NotEqual(t, "Secret", o.GetKind())
		}
	})
}

// The store's volume outlives the release; there is one pod.
func TestTheStoreStays(t *testing.T) {
	r := mustRender(t, "minimal")
	claims := all[*core.PersistentVolumeClaim](t, r)
	require.Len(t, claims, 1)
	require.Equal(t, "keep", claims[0].Annotations["helm.sh/resource-policy"])
	set := statefulSet(t, r)
	require.EqualValues(t, 1, *set.Spec.Replicas)
	require.Equal(t, claims[0].Name, volume(t, set.Spec.Template.Spec, "/var/lib/alert-relay").PersistentVolumeClaim.ClaimName)

	own := mustRender(t, "closed-network")
	require.Empty(t, all[*core.PersistentVolumeClaim](t, own))
	require.Equal(t, "alert-relay-data", volume(t, statefulSet(t, own).Spec.Template.Spec, "/var/lib/alert-relay").PersistentVolumeClaim.ClaimName)
}

// volume returns the volume that a pod's last container has at a path.
func volume(t testing.TB, spec core.PodSpec, path string) core.Volume {
	t.Helper()
	for _, mount := range spec.Containers[len(spec.Containers)-1].VolumeMounts {
		if mount.MountPath != path {
			continue
		}
		for _, v := range spec.Volumes {
			if v.Name == mount.Name {
				return v
			}
		}
	}
	require.Fail(t, "no volume", path)
	return core.Volume{}
}

// The services, the network policy and the budget select the relay's pod alone, not that of `helm test`.
func TestSelectors(t *testing.T) {
	eachExample(t, func(t *testing.T, r rendering) {
		both := pods(t, r)
		check := func(what string, selector map[string]string) {
			require.True(t, labels.SelectorFromSet(selector).Matches(labels.Set(both["relay"].Labels)), what)
			require.False(t, labels.SelectorFromSet(selector).Matches(labels.Set(both["test"].Labels)), what)
		}
		set := statefulSet(t, r)
		check("StatefulSet", set.Spec.Selector.MatchLabels)
		for _, s := range all[*core.Service](t, r) {
			check("Service "+s.Name, s.Spec.Selector)
			for _, port := range s.Spec.Ports {
				require.Contains(t, portNames(both["relay"]), port.TargetPort.String(), "Service %s", s.Name)
			}
		}
		for _, p := range all[*networking.NetworkPolicy](t, r) {
			check("NetworkPolicy", p.Spec.PodSelector.MatchLabels)
		}
		for _, b := range all[*policy.PodDisruptionBudget](t, r) {
			check("PodDisruptionBudget", b.Spec.Selector.MatchLabels)
		}
		for _, m := range all[*monitoring.ServiceMonitor](t, r) {
			selector := labels.SelectorFromSet(m.Spec.Selector.MatchLabels)
			for _, s := range all[*core.Service](t, r) {
				require.Equal(t, strings.HasSuffix(s.Name, "-admin"), selector.Matches(labels.Set(s.Labels)), s.Name)
			}
			require.Equal(t, r.find(t, "Service", set.Spec.ServiceName).GetName(), set.Spec.ServiceName)
		}
	})
}

func portNames(p core.Pod) []string {
	var names []string
	for _, port := range p.Spec.Containers[0].Ports {
		names = append(names, port.Name)
	}
	return names
}

// Ingress, route and the service for the outside lead to the public listener; only the admin service leads to the admin listener,
// and has no address outside of the cluster.
func TestOnlyThePublicListenerIsPublic(t *testing.T) {
	eachExample(t, func(t *testing.T, r rendering) {
		public := r.find(t, "Service", "relay-alert-relay").GetName()
		for _, s := range all[*core.Service](t, r) {
			for _, port := range s.Spec.Ports {
				admin := port.TargetPort.String() == "admin"
				require.Equal(t, s.Name != public, admin, s.Name)
				if admin {
					require.Equal(t, core.ClusterIPNone, s.Spec.ClusterIP)
				}
			}
		}
		for _, i := range all[*networking.Ingress](t, r) {
			for _, rule := range i.Spec.Rules {
				for _, path := range rule.HTTP.Paths {
					require.Equal(t, public, path.Backend.Service.Name)
				}
			}
		}
		for _, route := range all[*gateway.HTTPRoute](t, r) {
			for _, rule := range route.Spec.Rules {
				for _, backend := range rule.BackendRefs {
					require.EqualValues(t, public, backend.Name)
				}
			}
		}
	})
}

// Without adminFrom only the pod of `helm test` reaches the admin listener; with it, those peers too.
func TestNetworkPolicy(t *testing.T) {
	admin := func(r rendering) []networking.NetworkPolicyPeer {
		policies := all[*networking.NetworkPolicy](t, r)
		require.Len(t, policies, 1)
		require.Equal(t, []networking.PolicyType{networking.PolicyTypeIngress}, policies[0].Spec.PolicyTypes)
		for _, rule := range policies[0].Spec.Ingress {
			if rule.Ports[0].Port.String() == "admin" {
				require.Len(t, rule.Ports, 1)
				return rule.From
			}
		}
		return nil
	}
	r := mustRender(t, "minimal")
	peers := admin(r)
	require.Len(t, peers, 1)
	selector := labels.SelectorFromSet(peers[0].PodSelector.MatchLabels)
	require.True(t, selector.Matches(labels.Set(pods(t, r)["test"].Labels)))
	require.Len(t, admin(mustRender(t, "prometheus-operator")), 2)
	require.Empty(t, all[*networking.NetworkPolicy](t, mustRender(t, "minimal", "networkPolicy.enabled=false")))
}

// Optional resources are off by default.
func TestExtrasAreOffByDefault(t *testing.T) {
	for _, o := range mustRender(t, "minimal").objects {
		require.Contains(t, []string{"ConfigMap", "NetworkPolicy", "PersistentVolumeClaim", "Pod", "Service", "ServiceAccount", "StatefulSet"}, o.GetKind())
	}
}
