//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	compose "github.com/compose-spec/compose-go/v2/types"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// objects reads a manifest as an API server does that is told to refuse unknown and repeated fields.
func objects(t *testing.T, file string) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{core.AddToScheme, apps.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []runtime.Object
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(b)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		o, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%s, object %d: %v", file, len(all)+1, err)
		}
		all = append(all, o)
	}
}

// TestKubernetesManifests: every object is one of Kubernetes without a field that it does not know, and
// what refers to something by name finds it.
func TestKubernetesManifests(t *testing.T) {
	files, err := filepath.Glob("../examples/kubernetes/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d manifests, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m := manifest{configs: map[string]bool{}, ports: map[string]bool{}}
			for _, o := range objects(t, file) {
				m.add(t, o)
			}
			if len(m.pods) == 0 {
				t.Error("nothing runs")
			}
			m.check(t)
		})
	}
}

// manifest is what one file brings.
type manifest struct {
	configs  map[string]bool // ConfigMaps
	ports    map[string]bool // named ports of containers
	services []*core.Service
	pods     []core.PodTemplateSpec
	volumes  []map[string]bool // of each pod
}

func (m *manifest) add(t *testing.T, o runtime.Object) {
	t.Helper()
	switch o := o.(type) {
	case *core.ConfigMap:
		m.configs[o.Name] = true
	case *core.Service:
		m.services = append(m.services, o)
	case *apps.Deployment:
		m.pod(t, o.Spec.Selector.MatchLabels, o.Spec.Template, nil)
	case *apps.StatefulSet:
		m.pod(t, o.Spec.Selector.MatchLabels, o.Spec.Template, o.Spec.VolumeClaimTemplates)
		if o.Spec.Replicas == nil || *o.Spec.Replicas != 1 {
			t.Error("the state belongs to one process, so there is one replica")
		}
	default:
		t.Errorf("an object of type %T that nobody checks", o)
	}
}

func (m *manifest) pod(t *testing.T, selector map[string]string, pod core.PodTemplateSpec, claims []core.PersistentVolumeClaim) {
	t.Helper()
	if !labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
		t.Errorf("the selector %v does not match its own pods, %v", selector, pod.Labels)
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range claims {
		volumes[c.Name] = true
	}
	m.pods, m.volumes = append(m.pods, pod), append(m.volumes, volumes)
}

func (m *manifest) check(t *testing.T) {
	t.Helper()
	for i, pod := range m.pods {
		for _, v := range pod.Spec.Volumes {
			if v.ConfigMap != nil && !m.configs[v.ConfigMap.Name] {
				t.Errorf("there is no ConfigMap %s", v.ConfigMap.Name)
			}
		}
		for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
			m.container(t, c, m.volumes[i])
		}
	}
	for _, s := range m.services {
		found := false
		for _, pod := range m.pods {
			found = found || labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels))
		}
		if !found {
			t.Errorf("Service %s selects no pod", s.Name)
		}
		for _, p := range s.Spec.Ports {
			if p.TargetPort.Type == intstr.String && !m.ports[p.TargetPort.StrVal] {
				t.Errorf("Service %s: no container has a port %s", s.Name, p.TargetPort.StrVal)
			}
		}
	}
}

// container checks names, and that nothing is allowed that switchback does not need.
func (m *manifest) container(t *testing.T, c core.Container, volumes map[string]bool) {
	t.Helper()
	for _, p := range c.Ports {
		m.ports[p.Name] = true
	}
	for _, v := range c.VolumeMounts {
		if !volumes[v.Name] {
			t.Errorf("container %s mounts %s, which is no volume", c.Name, v.Name)
		}
		if v.SubPath != "" {
			t.Errorf("container %s mounts %s as a subPath, which is never updated", c.Name, v.Name)
		}
	}
	if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
		s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
		t.Errorf("container %s may do more than it needs", c.Name)
	}
}

// TestKubernetesRefuses: the check would notice a slip of the pen.
func TestKubernetesRefuses(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := core.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, wrong := range []string{
		"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}\n",
		"apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\n",
		"apiVersion: v1\nkind: Service\nspec: {ports: [{port: http}]}\n",
		"apiVersion: v2\nkind: Service\n",
	} {
		if _, _, err := decoder.Decode([]byte(wrong), nil, nil); err == nil {
			t.Errorf("accepted:\n%s", wrong)
		}
	}
}

// TestComposeFile loads the file as docker compose does: against the schema of the Compose Specification,
// with references resolved and consistency checked.
func TestComposeFile(t *testing.T) {
	dir, err := filepath.Abs("../examples/quickstart")
	if err != nil {
		t.Fatal(err)
	}
	details := compose.ConfigDetails{
		WorkingDir: dir, ConfigFiles: []compose.ConfigFile{{Filename: filepath.Join(dir, "compose.yaml")}}, Environment: compose.Mapping{},
	}
	project, err := loader.LoadWithContext(t.Context(), details, func(o *loader.Options) { o.SetProjectName("quickstart", true) })
	if err != nil {
		t.Fatal(err)
	}
	proxy, ok := project.Services["switchback"]
	if !ok || proxy.Build == nil {
		t.Fatal("the proxy is not built here")
	}
	if _, err := os.Stat(filepath.Join(proxy.Build.Context, proxy.Build.Dockerfile)); err != nil {
		t.Errorf("the Dockerfile: %v", err)
	}
	for _, name := range []string{"blue", "green"} {
		if got := project.Services[name].NetworkMode; got != "service:switchback" {
			t.Errorf("%s is on network %q, but switchback.yaml has addresses of the proxy's own", name, got)
		}
	}
}
