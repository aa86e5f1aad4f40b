import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/app.tsx';
import './styles/page.css';
import './styles/controls.css';
import './styles/views.css';

const clock = {
  nowMs: () => Date.now(),
  after: (ms: number, act: () => void) => {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
};

createRoot(document.getElementById('app')!).render(
  <StrictMode>
    <App clock={clock} />
  </StrictMode>,
);
