'use strict';
// What the page does beyond being read: sort and filter its tables, show the layer that is chosen, hand out its JSON.
(() => {
  const STEP = 100; // rows shown at first, and more at a time: what a browser lays out without being noticed
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const one = (selector, inside = document) => inside.querySelector(selector);

  const unpacked = async (element) => {
    if (element.type !== 'application/gzip') return element.textContent;
    const bytes = Uint8Array.from(atob(element.textContent), (char) => char.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
  };

  // The rest of a long list. Its markup was escaped where the page's own was.
  const restOf = async (list) => {
    const packed = one('script.rest', list);
    if (!packed) return [];
    const made = document.createElement('template');
    const isTable = Boolean(one('table', list));
    made.innerHTML = isTable ? `<table><tbody>${await unpacked(packed)}</tbody></table>` : await unpacked(packed);
    return isTable ? all('tr', made.content) : [...made.content.children];
  };

  const counted = (number, list) =>
    `${number.toLocaleString('en')} ${number === 1 ? list.dataset.noun : list.dataset.nouns}`;

  const listing = async (list) => {
    const body = one('tbody', list);
    const [search, select, status, more] = ['input', 'select', 'output', '.more'].map((what) => one(what, list));
    const read = (row) => ({
      row,
      text: row.textContent.toLowerCase(),
      unit: row.cells[1].textContent,
      keys: row.dataset.k.split(' ').map(Number),
    });
    let rows = [...body.rows].map(read);
    let found = rows;
    let limit = STEP;

    const show = () => {
      body.replaceChildren(...found.slice(0, limit).map((entry) => entry.row));
      const left = found.length - limit;
      more.hidden = left <= 0;
      more.textContent = `Show ${Math.min(left, STEP)} more of ${left.toLocaleString('en')}`;
    };
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const unit = select ? select.value : '';
      found = rows.filter((entry) => (!unit || entry.unit === unit) && words.every((word) => entry.text.includes(word)));
      limit = STEP;
      show();
      const whole = counted(rows.length, list);
      status.textContent = found.length === rows.length ? whole : `${found.length.toLocaleString('en')} of ${whole}`;
    };
    const sort = (button) => {
      const head = button.closest('th');
      const { key, column } = button.dataset;
      const down = head.getAttribute('aria-sort') !== (key ? 'descending' : 'none') && (key || head.getAttribute('aria-sort') === 'ascending');
      all('th', list).forEach((other) => other.setAttribute('aria-sort', 'none'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const value = key ? (entry) => entry.keys[key] : (entry) => entry.row.cells[column].textContent.trim();
      const compare = key ? (a, b) => a - b : (a, b) => (a < b ? -1 : a > b ? 1 : 0);
      const sign = down ? -1 : 1;
      rows = rows
        .map((entry) => [value(entry), entry])
        .sort((a, b) => sign * compare(a[0], b[0]))
        .map((pair) => pair[1]);
      filter();
    };

    search.addEventListener('input', filter);
    if (select) select.addEventListener('change', filter);
    more.addEventListener('click', () => {
      const next = limit;
      limit += STEP;
      show();
      const link = one('a, summary', found[next].row);
      if (link) link.focus();
    });
    all('th button', list).forEach((button) => button.addEventListener('click', () => sort(button)));
    filter();
    const rest = await restOf(list);
    if (rest.length) {
      rows = rows.concat(rest.map(read)).sort((a, b) => b.keys[0] - a.keys[0]);
      filter();
    }
  };

  const strip = async (section) => {
    const entries = one('.entries', section);
    const panel = one('.panel', section);
    const blocks = all('.strip a', section);
    const detail = (block) => document.getElementById(block.getAttribute('href').slice(1));

    const focus = (block) => {
      blocks.forEach((other) => other.setAttribute('tabindex', other === block ? '0' : '-1'));
      block.focus();
    };
    const choose = (block) => {
      blocks.forEach((other) => other.removeAttribute('aria-current'));
      block.setAttribute('aria-current', 'true');
      const entry = detail(block);
      if (!entry) return;
      one('.content', panel).replaceChildren(one('.body', entry).cloneNode(true));
      panel.hidden = false;
    };
    const close = () => {
      panel.hidden = true;
      blocks.forEach((block) => block.removeAttribute('aria-current'));
    };

    blocks.forEach((block, at) => {
      block.setAttribute('tabindex', at ? '-1' : '0');
      block.addEventListener('click', (event) => {
        event.preventDefault();
        focus(block);
        choose(block);
      });
      block.addEventListener('keydown', (event) => {
        const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: blocks.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        const next = blocks[Math.min(Math.max(to, 0), blocks.length - 1)];
        focus(next);
        if (!panel.hidden) choose(next);
      });
    });
    one('.close', panel).addEventListener('click', () => {
      const chosen = one('[aria-current]', section);
      close();
      if (chosen) chosen.focus();
    });
    section.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') close();
    });
    const rest = await restOf(one('.all', section));
    if (rest.length) {
      const sorted = [...entries.children, ...rest].sort((a, b) => a.dataset.at - b.dataset.at);
      entries.replaceChildren(...sorted);
    }
  };

  // A link to an entry opens it, and what it lies in.
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
    target.scrollIntoView();
  };

  const download = async (button) => {
    const data = await unpacked(document.getElementById('data'));
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([data], { type: 'application/json' }));
    link.download = button.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  document.documentElement.classList.add('js');
  const button = document.getElementById('download');
  button.addEventListener('click', () => download(button));
  const tasks = [
    ...all('.listing').map(listing),
    ...all('section').filter((section) => one(':scope > .strip', section)).map(strip),
  ];
  window.addEventListener('hashchange', open);
  Promise.allSettled(tasks).then((done) => {
    document.documentElement.dataset.ready = done.every((task) => task.status === 'fulfilled');
    open();
  });
})();
