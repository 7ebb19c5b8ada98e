// A plugin that draws a component of its own above the answers of each unfolded operation.

export const aboveAnswers = (name, component) => (system) => ({
  components: { [name]: component(system) },
  wrapComponents: {
    responses: (Original) => (props) => {
      const h = system.React.createElement;
      const Own = system.getSystem().getComponent(name, true);
      return h(system.React.Fragment, null, h(Own, { path: props.path, method: props.method }), h(Original, props));
    },
  },
});
