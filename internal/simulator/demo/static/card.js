'use strict';
// Draws Adaptive Cards 1.3 as Webex's apps do. Everything that a card says is set as text.
const el = (tag, attrs = {}, ...kids) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) {
    if (v === undefined || v === null || v === false) continue;
    if (k === 'class') e.className = v;
    else if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? '' : v);
  }
  e.append(...kids.filter(k => k !== null && k !== undefined && k !== false));
  return e;
};

const drawCard = (() => {
  const low = v => String(v || '').toLowerCase();
  // look gives the classes of an element's properties. Unknown values look like the default.
  const look = e => ['size', 'weight', 'color', 'spacing', 'fontType', 'style', 'horizontalAlignment'].map(p => e[p] ? p.toLowerCase() + '-' + low(e[p]) : '')
    .concat(e.isSubtle ? 'subtle' : '', e.separator ? 'separator' : '', e.italic ? 'italic' : '', e.strikethrough ? 'struck' : '').filter(Boolean).join(' ');
  const web = url => /^https?:\/\//i.test(url || '');
  const link = (e, action) => action && action.type === 'Action.OpenUrl' && web(action.url)
    ? el('a', {href: action.url, target: '_blank', rel: 'noopener'}, e) : e;

  function textRun(run) {
    if (typeof run === 'string') run = {text: run};
    return link(el('span', {class: look(run)}, run.text), run.selectAction);
  }

  // The inputs: each returns its element and a function that reads its value.
  const inputs = {
    'Input.Text': e => {
      const i = e.isMultiline ? el('textarea', {rows: 2}) : el('input', {type: {email: 'email', tel: 'tel', url: 'url', password: 'password'}[low(e.style)] || 'text'});
      if (e.maxLength) i.maxLength = e.maxLength;
      i.placeholder = e.placeholder || '';
      i.value = e.value || '';
      return [i, () => i.value];
    },
    'Input.Number': e => {
      const i = el('input', {type: 'number', min: e.min, max: e.max, placeholder: e.placeholder, value: e.value});
      return [i, () => i.value];
    },
    'Input.Date': e => { const i = el('input', {type: 'date', min: e.min, max: e.max, value: e.value}); return [i, () => i.value]; },
    'Input.Time': e => { const i = el('input', {type: 'time', min: e.min, max: e.max, value: e.value}); return [i, () => i.value]; },
    'Input.Toggle': e => {
      const on = e.valueOn || 'true', off = e.valueOff || 'false';
      const i = el('input', {type: 'checkbox', checked: e.value === on});
      return [el('label', {class: 'choice'}, i, e.title), () => i.checked ? on : off];
    },
    'Input.ChoiceSet': (e, id) => {
      const chosen = String(e.value || '').split(e.isMultiSelect ? ',' : '\0');
      if (!e.isMultiSelect && low(e.style) !== 'expanded') {
        const i = el('select', {}, e.placeholder && !e.value ? el('option', {value: ''}, e.placeholder) : null,
          ...e.choices.map(c => el('option', {value: c.value, selected: chosen.includes(c.value)}, c.title)));
        return [i, () => i.value];
      }
      const boxes = e.choices.map(c => el('input', {type: e.isMultiSelect ? 'checkbox' : 'radio', name: id + e.id, value: c.value, checked: chosen.includes(c.value)}));
      return [el('div', {class: 'choices'}, ...e.choices.map((c, n) => el('label', {class: 'choice'}, boxes[n], c.title))),
        () => boxes.filter(b => b.checked).map(b => b.value).join(',')];
    },
  };

  function input(e, form) {
    const [control, read] = inputs[e.type](e, form.id);
    const field = control.matches('input,textarea,select') ? control : control.querySelector('input');
    if (field && !control.matches('label')) field.setAttribute('aria-label', e.label || e.placeholder || e.id);
    const error = el('div', {class: 'field-error', hidden: true}, e.errorMessage || 'This field is required.');
    form.fields.push({id: e.id, read, valid: () => {
      const ok = !e.isRequired || read() !== '';
      error.hidden = ok;
      if (!ok && field) field.focus();
      return ok;
    }});
    return el('div', {class: 'field ' + look({spacing: e.spacing, separator: e.separator})}, e.label ? el('div', {class: 'label'}, e.label) : null, control, error);
  }

  function element(e, form) {
    if (e.isVisible === false) return null;
    if (inputs[e.type]) return input(e, form);
    switch (e.type) {
      case 'RichTextBlock': return el('div', {class: 'tb ' + look(e)}, ...e.inlines.map(textRun));
      // Webex's apps read a TextBlock as markdown; here its escapes and stars are left out.
      case 'TextBlock': return el('div', {class: 'tb ' + look(e)}, String(e.text).replace(/\\([\\`*_{}\[\]()#+\-.!~|<>@&:])/g, '$1').replace(/\*\*/g, ''));
      case 'Container': return link(el('div', {class: 'container ' + look(e)}, ...e.items.map(i => element(i, form))), e.selectAction);
      case 'ActionSet': return actions(e.actions, form, look(e));
      default: return el('div', {class: 'subtle'}, '(' + e.type + ')');
    }
  }

  // actions draws a row of buttons, and below it the cards that some of them show, one at a time.
  function actions(list, form, cls = '') {
    const shown = [];
    const show = n => shown.forEach(s => {
      const open = s.n === n && s.card.hidden;
      s.card.hidden = !open;
      s.button.setAttribute('aria-expanded', String(open));
    });
    const buttons = list.map((a, n) => {
      const style = {positive: 'primary', destructive: 'danger'}[low(a.style)] || '';
      if (a.type === 'Action.OpenUrl') return web(a.url) ? el('a', {class: 'button ' + style, href: a.url, target: '_blank', rel: 'noopener'}, a.title + ' ↗') : null;
      if (a.type === 'Action.Submit') return el('button', {type: 'button', class: style, onclick: () => form.submit(a.data)}, a.title);
      const card = el('div', {class: 'showcard', hidden: true}, ...parts(a.card, {...form, parent: form, fields: []}));
      const button = el('button', {type: 'button', class: 'shows ' + style, 'aria-expanded': 'false', onclick: () => show(n)}, a.title);
      shown.push({n, card, button});
      return button;
    });
    return el('div', {class: 'actionset ' + cls}, el('div', {class: 'actions'}, ...buttons), ...shown.map(s => s.card));
  }

  // parts draws the content of a card. Its buttons send the fields of this card and of those that it is in.
  function parts(card, form) {
    form.submit = data => {
      const fields = [];
      for (let f = form; f; f = f.parent) fields.push(...f.fields);
      if (fields.every(f => f.valid())) form.press({...Object.fromEntries(fields.map(f => [f.id, f.read()])), ...(typeof data === 'object' ? data : {})});
    };
    return [...(card.body || []).map(e => element(e, form)), (card.actions || []).length ? actions(card.actions, form) : null].filter(Boolean);
  }

  // id is unique on the page; press sends the inputs of a pressed button.
  return (card, id, press) => el('div', {class: 'card'}, ...parts(card, {id, press, fields: []}));
})();
